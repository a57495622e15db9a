"""`myphone config check`: everything that would stop a first start, without starting."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from myphone_api.errors import CommandError, ExitCode
from myphone_api.server import prepare
from pbx.config import Config, ConfigError
from pbx.config_checks import weaknesses
from pbx.config_errors import Problem
from pbx.dead_ends import check_leads
from pbx.plugin import PluginError


def config_check(options: argparse.Namespace) -> ExitCode:
    """Check a file; say what is wrong with it, or that nothing is, and what could be better."""
    try:
        config = _checked(options.config)
    except (ConfigError, PluginError) as error:
        if not options.json:
            raise CommandError(str(error), ExitCode.USAGE) from error
        problems = error.problems if isinstance(error, ConfigError) else [Problem("", str(error))]
        _print_json(options, ok=False, problems=_as_json(problems))
        return ExitCode.USAGE
    warnings = list(weaknesses(config))
    if options.json:
        _print_json(options, ok=True, extensions=len(config.extensions), warnings=_as_json(warnings))
        return ExitCode.OK
    for warning in warnings:
        print(f"{options.config}: warning: {warning}", file=sys.stderr)
    print(f"{options.config}: fine, {len(config.extensions)} extensions")
    return ExitCode.OK


def _checked(file: Path) -> Config:
    config, features = prepare(file)
    try:
        check_leads(features, config)
    except ConfigError as error:
        raise error.in_file(file) from None
    return config


def _print_json(options: argparse.Namespace, **found: object) -> None:
    print(json.dumps({"file": str(options.config)} | found))


def _as_json(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"key": problem.key, "message": problem.message} for problem in problems]
