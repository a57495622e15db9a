"""The values of a configuration file: what each kind of key may hold."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from pbx.destinations import parse_target


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

LONGEST_FORWARD = 21
"""What a column of the store holds."""


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("should be an IP address, such as 192.168.1.5 or 0.0.0.0") from None


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("should be a network, such as 192.168.1.0/24") from None


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """Relative paths start at the folder of the configuration file."""
    folder: Path = (info.context or {}).get("folder", Path())
    return (folder / path.expanduser()).absolute()


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}")
    return path


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("should have no control characters")
    return text


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("is empty, set one")
    return secret


def _database_url(url: SecretStr) -> SecretStr:
    if url.get_secret_value() and not url.get_secret_value().startswith("postgresql://"):
        raise ValueError("should be such as postgresql://user:password@host/name")
    return url


def _named_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("should name one or more")
    if len(set(names)) < len(names):
        raise ValueError("should name each once")
    return names


def _forward(text: str) -> str:
    if len(text) > LONGEST_FORWARD:
        raise ValueError(f"should be {LONGEST_FORWARD} characters at most; users' own rules may have longer ones")
    if text != "voicemail":
        parse_target(text)
    return text


def _code_setting(value: Any) -> Any:
    if value is False or isinstance(value, str | Mapping):
        return value
    raise ValueError("should be a pattern in quotes, or false to switch the code off")


def _target(text: str) -> str:
    """Anything that could be dialled, or a destination in its own form, which is what is kept."""
    return str(parse_target(text))


Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Days = Annotated[int, Field(strict=True, ge=0, le=36500)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
IpNetwork = Annotated[str, AfterValidator(_network)]
HostAndPort = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?$")]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Folder = Annotated[Path, AfterValidator(_beside_the_file)]
ReadableFile = Annotated[Folder, AfterValidator(_readable)]
ReadableFolder = Annotated[Folder, AfterValidator(_folder)]
Name = Annotated[str, Field(max_length=100), AfterValidator(_printable)]
Number = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
Target = Annotated[str, AfterValidator(_target)]
"""Where calls go: what could be dialled, or the text of any other destination (`pbx.destinations`)."""
ForwardTarget = Annotated[str, AfterValidator(_forward)]
Secret = Annotated[SecretStr, AfterValidator(_not_empty)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
CodecName = Literal["PCMA", "PCMU", "G722", "opus"]
CodecNames = Annotated[tuple[CodecName, ...], AfterValidator(_named_once)]
CodeSetting = str | Literal[False]
"""A pattern that replaces the feature's own; False or "" switches the code off."""
FeatureSetting = Annotated[CodeSetting | dict[str, CodeSetting], BeforeValidator(_code_setting)]


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, and no value is repeated in an error.

    Its validator is built when it is first needed by itself; the whole configuration has one for all tables in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


def nothing_said() -> Any:
    """The default of a table in another: whoever checks that makes it, so that it needs no validator of its own."""
    return Field(default_factory=dict, validate_default=True)
