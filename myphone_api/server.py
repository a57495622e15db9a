"""Running one system: start, ready, stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from media.process import ForkServer
from media.salvage import salvage
from myphone_api.errors import CommandError, ExitCode
from myphone_api.logs import LogFormat, configure_logging
from myphone_api.loop import run_until_complete, signals
from myphone_api.ports import (
    closed_media_ports,
    closed_ports,
    unusable_authorities,
    unusable_certificate,
    unusable_folder,
)
from pbx.config import Config, ConfigError, load
from pbx.config import Store as Settings
from pbx.config_checks import weaknesses
from pbx.config_errors import Problem
from pbx.dead_ends import check_leads, dead_ends
from pbx.dial_codes import dial_table
from pbx.environment import Environment
from pbx.live_data import merged, revise, take_over
from pbx.plugin import Feature, PluginError, load_features
from pbx.prompts import SpokenPrompts
from pbx.store import live
from pbx.store.errors import StoreError, StoreUnavailable
from pbx.store.hold import DatabaseHold, FolderHold, InUse
from pbx.store.store import Store
from pbx.switch import Switch
from pbx.trace import open_trace
from values import dataclass

logger = logging.getLogger(__name__)

COLLECT_AFTER = 20_000
"""How many more containers than before exist when the collector looks for cycles among the young ones."""


class StartError(CommandError):
    """The system cannot start as the machine is now."""

    def __init__(self, *problems: Problem, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__("\n".join(map(str, problems)), exit_code)
        self.problems = problems


def serve(options: argparse.Namespace, forks: ForkServer | None) -> ExitCode:
    """`myphone serve`: run what a configuration file describes until a signal ends it."""
    configure_logging(sys.stderr, LogFormat(options.log_format), options.log_level)
    with setup_errors():
        config, features = prepare(options.config)
    for weakness in weaknesses(config):
        logger.warning("%s", weakness)
    # From here on what counts is the configuration with the store's live data; that of the file is not kept beside it.
    with held(config.store) as hold, opened(config, features) as (store, config):
        run(config, features, store, forks, hold, tracing(options, config))
    return ExitCode.OK


def prepare(file: Path) -> tuple[Config, tuple[Feature, ...]]:
    """Read a configuration and the plug-ins, and check all that can be checked before a port is opened.

    Raises ConfigError and PluginError.
    """
    config = load(file)
    try:
        return config, check(config)
    except ConfigError as error:
        raise error.in_file(file) from None


def check(config: Config) -> tuple[Feature, ...]:
    """Check what a configuration alone cannot tell, and return the plug-ins that this needed.

    Raises ConfigError and PluginError.
    """
    features = load_features()
    dial_table(features, config)
    if problems := (*unusable_certificate(config.sip), *unusable_authorities(config)):
        raise ConfigError(*problems)
    return features


def check_first(config: Config, features: tuple[Feature, ...], store: Store) -> None:
    """What the file says of live data has to lead somewhere where it is about to be taken over; later it is not in
    force. Raises ConfigError and StoreUnavailable."""
    if not store.read(live.revision):
        check_leads(features, config)


@contextlib.contextmanager
def setup_errors() -> Iterator[None]:
    """A wrong configuration or plug-in ends the command with its message, not with a traceback."""
    try:
        yield
    except (ConfigError, PluginError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[DatabaseHold | None]:
    """Keep every other system from the data folder and the database of this one. Raises StartError, also where another
    runs there already."""
    if problems := tuple(unusable_folder(settings)):
        raise StartError(*problems)
    url, key = settings.url.get_secret_value(), "store.data_dir"
    with contextlib.ExitStack() as stack:
        try:
            stack.callback(FolderHold(settings.data_dir).release)
            key = "store.url"
            hold = DatabaseHold(url) if url else None
        except InUse as error:
            raise StartError(Problem(key, str(error)), exit_code=ExitCode.USAGE) from error
        except StoreError as error:
            raise StartError(Problem("store", str(error))) from error
        if hold is not None:
            stack.callback(hold.release)
        yield hold


@contextlib.contextmanager
def opened(
    config: Config,
    features: tuple[Feature, ...],
    first: Callable[[dict[str, Any]], None] | None = None,
    *,
    upgrades: bool = True,
) -> Iterator[tuple[Store, Config]]:
    """The store of a configuration, and the configuration with the store's live data, which `first` may change.
    `upgrades`: see `Store.open`; for those who only look, beside a system that may be of an older version.

    Raises StartError where the store cannot be used, or holds what does not go with the rest.
    """
    if problems := tuple(unusable_folder(config.store)):
        raise StartError(*problems)
    try:
        store = Store.open(config.store.location, partial(ThreadPoolExecutor, 1, "store"), upgrades=upgrades)
    except StoreError as error:
        raise StartError(Problem("store", str(error))) from error
    with contextlib.ExitStack() as stack:
        stack.callback(store.abandon)
        config = _known(config, features, store, first)
        yield store, config


def _known(
    config: Config,
    features: tuple[Feature, ...],
    store: Store,
    first: Callable[[dict[str, Any]], None] | None,
) -> Config:
    try:
        try:
            check_first(config, features, store)
        except ConfigError as error:
            raise StartError(*error.problems, exit_code=ExitCode.USAGE) from error
        known, differing = take_over(config, store)
        if first is not None:
            store.begin(partial(revise, config, first))
            known = store.read(partial(merged, config))
        for problem in dead_ends(known, dial_table(features, known)):
            logger.warning("store: %s", problem)
    except StoreUnavailable as error:
        raise StartError(Problem("store", str(error))) from error
    except ConfigError as error:
        raise StartError(*(Problem(f"store: {each.key}", each.message) for each in error.problems)) from error
    if differing and first is None:
        names = ", ".join(differing)
        logger.warning("%s: changed in the file, which is not in force; see `myphone import`", names)
    return known


# -- tracing ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tracing:
    """A trace that was asked for."""

    names: tuple[str, ...]
    """The user parts that stand for the extension."""
    file: Path


def tracing(options: argparse.Namespace, config: Config) -> Tracing | None:
    """What `--trace` and `--trace-file` ask for. Raises CommandError."""
    if options.trace is None:
        if options.trace_file is not None:
            raise CommandError("--trace-file: whose messages? add --trace EXT", ExitCode.USAGE)
        return None
    for extension in config.extensions:
        if extension.number == options.trace:
            file = options.trace_file or Path(f"trace-{extension.number}.txt")
            return Tracing((extension.number, extension.sip_id), file)
    known = ", ".join(extension.number for extension in config.extensions)
    raise CommandError(f"--trace: no extension {options.trace!r}, there are {known}", ExitCode.USAGE)


@contextlib.contextmanager
def _traced(switch: Switch, wanted: Tracing | None) -> Iterator[None]:
    if wanted is None:
        yield
        return
    try:
        trace = open_trace(wanted.file, wanted.names, switch.environment.wall)
    except OSError as error:
        raise CommandError(f"--trace-file: cannot write {wanted.file}: {error.strerror}") from error
    with contextlib.closing(trace):
        switch.driver.on_wire = trace.on_wire
        yield


# -- running ---------------------------------------------------------------------------------------


def run(
    config: Config,
    features: tuple[Feature, ...],
    store: Store,
    forks: ForkServer | None,
    hold: DatabaseHold | None,
    wanted: Tracing | None = None,
    announce: Callable[[Switch], None] | None = None,
) -> None:
    """Run a system until SIGTERM or SIGINT. A stop hangs up all calls first. Raises StartError.

    SIGHUP reads the certificate again. Where there is an `announce`, which is called as soon as phones can
    register, somebody sits at a terminal, and SIGHUP says that it was closed: a stop.
    """
    try:
        run_until_complete(_run(config, features, store, forks, hold, wanted, announce))
    except StoreUnavailable as error:
        raise StartError(Problem("store", str(error))) from error
    except _NotStarted as error:  # and the ports that could be opened are closed again
        problems = tuple(closed_ports(config.sip)) or tuple(closed_media_ports(config.sip, config.media))
        raise StartError(*problems or (Problem("", f"cannot start: {error}"),)) from error


class _NotStarted(Exception):
    """A port could not be opened."""


async def _run(
    config: Config,
    features: tuple[Feature, ...],
    store: Store,
    forks: ForkServer | None,
    hold: DatabaseHold | None,
    wanted: Tracing | None,
    announce: Callable[[Switch], None] | None,
) -> None:
    switch = Switch(Environment.real(forks), config, features, _prompts(config), store)
    stopped = asyncio.Event()
    reload = partial(_reload, switch) if announce is None else None
    with _traced(switch, wanted), _watched(hold), signals(stopped.set, reload):
        try:
            salvage(config.store.data_dir)
            await _start(switch)
            if announce is not None:
                announce(switch)
            logger.info("ready: %s", addresses(config))
            await stopped.wait()
            logger.info("stopping")
        finally:
            await switch.stop()
    logger.info("stopped")


@contextlib.contextmanager
def _watched(hold: DatabaseHold | None) -> Iterator[None]:
    """Have a hold that may be lost taken anew."""
    if hold is None:
        yield
        return
    watching = asyncio.get_running_loop().create_task(hold.watch(), name="hold")
    try:
        yield
    finally:
        watching.cancel()


def _prompts(config: Config) -> SpokenPrompts:
    cache = config.store.data_dir / "prompts"
    return SpokenPrompts(cache, config.prompts.language, config.prompts.music)


async def _start(switch: Switch) -> None:
    try:
        await switch.start()
    except OSError as error:
        raise _NotStarted(str(error)) from error
    # What has been built by now lives as long as the process: the collector need not look at it again.
    gc.freeze()
    # Nearly all that a call makes is freed without the collector; looking for cycles can wait for more of them.
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()


def _reload(switch: Switch) -> None:
    """Take a renewed certificate into use; a bad one leaves the old one in place."""
    if not switch.config.sip.tls:
        logger.info("no certificate to reload: TLS is off")
        return
    problems = tuple(unusable_certificate(switch.config.sip))
    for problem in problems:
        logger.error("certificate not reloaded: %s", problem)
    if not problems:
        switch.reload_certificates()
        logger.info("certificate reloaded")


def addresses(config: Config) -> str:
    """Where phones reach the system, for people: `UDP 0.0.0.0:5060, TCP 0.0.0.0:5060`."""
    sip = config.sip
    ports = {"UDP": sip.udp_port, "TCP": sip.tcp_port, "TLS": sip.tls_port if sip.tls else 0}
    host = f"[{sip.listen}]" if ":" in sip.listen else sip.listen
    return ", ".join(f"{transport} {host}:{port}" for transport, port in ports.items() if port)
