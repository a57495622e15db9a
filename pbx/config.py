"""The configuration file: TOML, checked as a whole before anything starts.

Every key has a default but the number and password of an extension. Unknown keys, impossible values and
values that do not go together are errors, all reported at once, each with its key and a remedy.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from media.plan import Codec
from pbx.config_checks import contradictions
from pbx.config_errors import ConfigError, Problem, explain
from pbx.directory import BusyDetection, Diversions
from pbx.directory import Extension as DirectoryEntry
from pbx.media_keys import Srtp
from sipcore.registrar.digest import Credentials

__all__ = ["Config", "ConfigError", "Extension", "Forward", "Media", "Numbers", "Sip", "load", "parse"]


# -- values ----------------------------------------------------------------------------------------


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("should be an IP address, such as 192.168.1.5 or 0.0.0.0") from None


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


def _named_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("should name one or more")
    if len(set(names)) < len(names):
        raise ValueError("should name each once")
    return names


def _code_setting(value: Any) -> Any:
    if value is False or isinstance(value, str | Mapping):
        return value
    raise ValueError("should be a pattern in quotes, or false to switch the code off")


Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Folder = Annotated[Path, AfterValidator(_beside_the_file)]
ReadableFile = Annotated[Folder, AfterValidator(_readable)]
ReadableFolder = Annotated[Folder, AfterValidator(_folder)]
Name = Annotated[str, Field(max_length=100), AfterValidator(_printable)]
Number = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
Secret = Annotated[SecretStr, AfterValidator(_not_empty)]
CodecName = Literal["PCMA", "PCMU", "G722", "opus"]
CodecNames = Annotated[tuple[CodecName, ...], AfterValidator(_named_once)]
CodeSetting = str | Literal[False]
"""A pattern that replaces the feature's own; False or "" switches the code off."""
FeatureSetting = Annotated[CodeSetting | dict[str, CodeSetting], BeforeValidator(_code_setting)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


# -- the tables of the file ------------------------------------------------------------------------


class Sip(_Table):
    """`[sip]`: where phones reach the system. Port 0 switches a transport off."""

    listen: IpAddress = "0.0.0.0"
    udp_port: Port = 5060
    tcp_port: Port = 5060
    tls_port: Port = 5061
    """Used only with a certificate and its key."""
    certificate: ReadableFile | None = None
    """PEM file, the certificate first, then those of its issuers."""
    key: ReadableFile | None = None
    """PEM file with the private key, without a pass phrase."""
    realm: Annotated[str, Field(pattern=r"^[\x20\x21\x23-\x5B\x5D-\x7E]{1,64}$")] = "myphone"
    """The realm of digest authentication (RFC 3261 section 22.1)."""
    t1: Seconds = 0.5
    """Estimate of the round-trip time (RFC 3261 section 17.1.1.1)."""
    t2: Seconds = 4.0
    """Longest interval between retransmissions."""
    t4: Seconds = 5.0
    """How long a message stays in the network."""
    min_expires: Annotated[int, Field(strict=True, ge=1, le=86400)] = 60
    """Shortest registration, in seconds; shorter ones get 423 (RFC 3261 section 10.3)."""
    max_expires: Annotated[int, Field(strict=True, ge=1, le=86400)] = 3600
    """Longest registration, in seconds; longer ones are cut to it."""
    max_contacts: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """How many phones may register at one extension."""

    @property
    def tls(self) -> bool:
        """Whether TLS is on."""
        return self.tls_port != 0 and self.certificate is not None and self.key is not None


class Media(_Table):
    """`[media]`: where sound flows."""

    address: Literal[""] | IpAddress = ""
    """The address given to phones; empty: the one at which the phone reaches the system."""
    port_range: tuple[Port, Port] = (20000, 29999)
    """First and last UDP port. A call takes four: RTP and RTCP for each side."""
    workers: Annotated[int, Field(strict=True, ge=0, le=64)] = 1
    """Processes that carry the sound; 0 carries it in the process that does all else."""
    srtp: Srtp = Srtp.OFF
    """When sound is secured; it is in any case where the phone offers that."""
    codecs: CodecNames = ("PCMA", "PCMU", "G722", "opus")
    """What phones are offered: first what the caller has, in its order, then the rest in this order."""

    def spoken(self) -> tuple[Codec, ...]:
        """The codecs as the media engine knows them."""
        known = {codec.encoding_name: codec for codec in Codec}
        return tuple(known[name] for name in self.codecs)


class Store(_Table):
    """`[store]`: what is kept."""

    data_dir: Folder = Field(default=Path("data"), validate_default=True)


class Forward(_Table):
    """Where calls to an extension go on to; the number of another extension each."""

    always: Number | None = None
    busy: Number | None = None
    no_answer: Number | None = None
    not_registered: Number | None = None


class Extension(_Table):
    """One of `[[extensions]]`: a user."""

    number: Number
    password: Secret
    """What the phone registers with."""
    first_name: Name = ""
    last_name: Name = ""
    pin: Secret = SecretStr("")
    """For voicemail and the portal; the number unless set."""
    sip_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = ""
    """An alternative to the number in SIP addresses; "ext" and the number unless set."""
    outbound_caller_id: Annotated[str, Field(pattern=r"^\+?[A-Za-z0-9._-]{0,64}$")] = ""
    """What calls to the outside show; the extension's number unless set."""
    no_answer_seconds: Annotated[float, Field(ge=1, le=300)] = 60.0
    busy_detection: BusyDetection = BusyDetection.PBX
    forward: Forward = Forward()

    @model_validator(mode="before")
    @classmethod
    def _defaults_from_number(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(number := data.get("number"), str):
            return {"pin": number, "sip_id": f"ext{number}"} | data
        return data


class Numbers(_Table):
    """`[numbers]`: numbers that belong to the system, so no extension and no code may have them."""

    voicemail: Number = "999"
    conference: Number = "700"

    def reserved(self) -> dict[str, str]:
        """What each number is for."""
        return {self.voicemail: "voicemail", self.conference: "conference"}


class Prompts(_Table):
    """`[prompts]`: what the system says."""

    language: Literal["en", "fr"] = "en"
    music: ReadableFolder | None = None
    """WAV files for those who wait; none: a piece of our own."""


class Conference(_Table):
    """`[conference]`: rooms to talk in together."""

    max_parties: Annotated[int, Field(strict=True, ge=2, le=32)] = 32
    """How many people one room holds."""


class Config(_Table):
    """A whole configuration. Making one checks it: raises ConfigError where parts do not go together."""

    sip: Sip = Sip()
    media: Media = Media()
    store: Store = Store()
    numbers: Numbers = Numbers()
    prompts: Prompts = Prompts()
    conference: Conference = Conference()
    dial_codes: dict[str, FeatureSetting] = {}
    """By feature, and within it by handler: patterns in place of the features' own."""
    extensions: tuple[Extension, ...] = ()

    @model_validator(mode="after")
    def _goes_together(self) -> Config:
        if problems := tuple(contradictions(self)):
            raise ConfigError(*problems)
        return self

    def directory(self) -> tuple[DirectoryEntry, ...]:
        """The extensions as the switch knows them: with hashes in place of passwords."""
        return tuple(_directory_entry(extension, self.sip.realm) for extension in self.extensions)


def load(file: Path) -> Config:
    """Read a configuration file. Raises ConfigError with everything that is wrong with it."""
    try:
        text = file.read_text("utf-8")
        return parse(tomllib.loads(text), file.absolute().parent)
    except OSError as error:
        problem = Problem("", f"cannot be read: {error.strerror}; give the path of a configuration file")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = Problem("", f"is not TOML: {error}")
    except ConfigError as error:
        raise error.in_file(file) from None
    raise ConfigError(problem, file=file)


def parse(data: Mapping[str, Any], folder: Path | None = None) -> Config:
    """Check configuration data; relative paths start at `folder`. Raises ConfigError."""
    data = {"store": {}, **data}  # there, so that its default too is a path from `folder`
    try:
        return Config.model_validate(data, context={"folder": folder or Path()})
    except ValidationError as error:
        problems = tuple(explain(error, Config, data))
    raise ConfigError(*problems)


def _directory_entry(extension: Extension, realm: str) -> DirectoryEntry:
    copied = extension.model_dump(exclude={"password", "pin", "forward"})
    return DirectoryEntry(
        **copied,
        diversions=Diversions(**extension.forward.model_dump()),
        credentials=Credentials.of(extension.number, realm, extension.password.get_secret_value()),
    )
