"""The dial codes in force: what the features propose, as the configuration changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pbx.config_errors import ConfigError, Problem
from pbx.dial_table import DialCode, DialTable, DialTableError, Pattern
from pbx.reception import numbers as reception_numbers

if TYPE_CHECKING:
    from pbx.config import CodeSetting, Config
    from pbx.plugin import Feature


def dial_table(features: Iterable[Feature], config: Config) -> DialTable:
    """The dial table of a system. Raises ConfigError with the key to change where codes clash."""
    features = tuple(features)
    extensions = [name for extension in config.extensions for name in (extension.number, extension.sip_id)]
    try:
        codes, numbers = list(_codes_in_force(features, config.dial_codes)), list(_numbers(features, config))
        served = {code.pattern.text for code in numbers}
        free = {number: name for number, name in config.numbers.reserved().items() if number not in served}
        free |= {number: kind.replace("_", " ") for number, (kind, _) in reception_numbers(config).items()}
        return DialTable.build([*codes, *numbers], extensions, free)
    except DialTableError as error:
        chosen = [code for code in error.codes if code.handler.feature in config.dial_codes]
        handler = (chosen or error.codes)[-1].handler
        remedy = "set another pattern, or false to switch the code off"
        raise ConfigError(Problem(f"dial_codes.{handler}", f"{error}; {remedy}")) from error


def _numbers(features: Iterable[Feature], config: Config) -> Iterator[DialCode]:
    """The numbers of the system that features serve, but for those that are switched off."""
    known = {name: number for number, name in config.numbers.reserved().items()}
    for feature in features:
        setting = config.dial_codes.get(feature.name, {})
        for name, handler in feature.numbers.items():
            if name not in known:
                remedy = f"no such number, but {handler} wants to serve it; remove that plug-in"
                raise ConfigError(Problem(f"numbers.{name}", remedy))
            if setting.get(handler.name, True) if isinstance(setting, Mapping) else setting:
                yield DialCode(Pattern.parse(known[name]), handler)


def _codes_in_force(
    features: Iterable[Feature], settings: Mapping[str, CodeSetting | Mapping[str, CodeSetting]]
) -> Iterator[DialCode]:
    by_name = {feature.name: feature for feature in features}
    for name in settings:
        if name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise ConfigError(Problem(f"dial_codes.{name}", f"no such feature; installed: {known}"))
    for feature in by_name.values():
        yield from _codes_of(feature, settings.get(feature.name, {}))


def _codes_of(feature: Feature, setting: CodeSetting | Mapping[str, CodeSetting]) -> Iterator[DialCode]:
    """The codes of one feature. Its only code, or all of them switched off, need no handler name."""
    key = f"dial_codes.{feature.name}"
    codes = {code.handler.name: code for code in feature.codes}
    numbers = {handler.name: f"set its number as numbers.{name}" for name, handler in feature.numbers.items()}
    if not isinstance(setting, Mapping):
        if setting and not codes:
            raise ConfigError(Problem(key, f"has no code; {', '.join(numbers.values())}"))
        if setting and len(codes) != 1:
            raise ConfigError(Problem(key, f"has several codes, set each as {key}.NAME: {', '.join(codes)}"))
        setting = dict.fromkeys(codes, setting)
    for name, chosen in setting.items():
        if name not in codes and name not in numbers:
            known = ", ".join([*codes, *numbers])
            raise ConfigError(Problem(f"{key}.{name}", f"no such code; {feature.name} has: {known}"))
        if chosen and name in numbers:
            raise ConfigError(Problem(f"{key}.{name}", f"is no code; {numbers[name]}"))
    for name, code in codes.items():
        chosen = setting.get(name, code.pattern.text)
        if chosen:
            yield _with_pattern(code, chosen)


def _with_pattern(code: DialCode, text: str) -> DialCode:
    try:
        changed = replace(code, pattern=Pattern.parse(text))
        changed.check_arguments()
    except DialTableError as error:
        raise DialTableError(str(error), code) from error
    return changed
