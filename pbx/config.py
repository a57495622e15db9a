"""The configuration file: TOML, checked as a whole before anything starts.

Every key has a default but the number and password of an extension. Unknown keys, impossible values and
values that do not go together are errors, all reported at once, each with its key and a remedy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, model_validator

from media.plan import Codec
from pbx.addresses import PRIVATE_NETWORKS
from pbx.config_checks import contradictions
from pbx.config_errors import ConfigError, Problem, explain
from pbx.config_values import (
    CodecNames,
    CodeSetting,
    DatabaseUrl,
    Days,
    FeatureSetting,
    Folder,
    ForwardTarget,
    HostAndPort,
    IpAddress,
    IpNetwork,
    Name,
    Number,
    Port,
    ReadableFile,
    ReadableFolder,
    Seconds,
    Secret,
    Table,
    cores,
    nothing_said,
)
from pbx.directory import BusyDetection, Diversions, RecordCalls
from pbx.directory import Extension as DirectoryEntry
from pbx.forwarding.book import ForwardingDefaults
from pbx.limits import Limits
from pbx.media_keys import Srtp
from pbx.office_hours import OfficeHours
from pbx.queues.settings import Queue
from pbx.reception_settings import Receptionist, RingGroup
from pbx.trunks.settings import Dialing, Group, InboundRule, OutboundRule, Trunk
from pbx.voicemail_settings import Mail, MailAddress, Mailbox, Voicemail
from sipcore.registrar.digest import Credentials

__all__ = [
    "CodeSetting",
    "Config",
    "ConfigError",
    "Events",
    "Extension",
    "Forward",
    "Media",
    "Numbers",
    "Sip",
    "load",
    "parse",
]


# -- the tables of the file ------------------------------------------------------------------------


class Sip(Table):
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
    public_address: Literal[""] | IpAddress = ""
    """What phones outside are told that they reach us at; empty: what they do reach, or what STUN finds."""
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
    distinctive_ring: bool = False
    """Whether phones are told, in Alert-Info, if a call comes from inside or outside, to ring accordingly."""
    max_contacts: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """How many phones may register at one extension."""
    reliable_provisionals: bool = True
    """Whether ringing and early media are acknowledged where the phone supports that (RFC 3262)."""
    follow_redirects: bool = True
    """Whether a phone may send a call elsewhere (301, 302): where its own dialling would lead, too."""
    session_expires: Literal[0] | Annotated[int, Field(strict=True, ge=10, le=86400)] = 1800
    """Seconds after which a call ends that is not refreshed (RFC 4028); 0: we propose no such time."""
    min_se: Annotated[int, Field(strict=True, ge=10, le=86400)] = 90
    """Seconds; phones that propose a shorter time get 422. RFC 4028 section 5 wants 90 or more."""

    @property
    def tls(self) -> bool:
        """Whether TLS is on."""
        return self.tls_port != 0 and self.certificate is not None and self.key is not None


class Nat(Table):
    """`[nat]`: routers with address translation, before us and before phones."""

    local_networks: tuple[IpNetwork, ...] = PRIVATE_NETWORKS
    """Whose phones reach us without translation, and are told no public address."""
    stun_server: Literal[""] | HostAndPort = ""
    """Host, or host:port, that tells us our public address; empty: none is asked."""
    stun_seconds: Seconds = 300.0
    """How often."""
    keep_alive_seconds: Annotated[float, Field(ge=0, le=3600)] = 25.0
    """How often a phone behind a NAT is sent something that keeps the way to it open; 0: never."""


MOST_WORKERS = 3
"""If nobody sets how many: each carries hundreds of calls, and takes 4 MB when there are none."""


class Media(Table):
    """`[media]`: where sound flows."""

    address: Literal[""] | IpAddress = ""
    """The address given to phones, to those outside only if it is a public one; empty: where they reach us."""
    port_range: tuple[Port, Port] = (20000, 29999)
    """First and last UDP port. A call takes four: RTP and RTCP for each side."""
    workers: Annotated[int, Field(strict=True, ge=0, le=64)] | None = None
    """Processes that carry the sound; 0 carries it in the process that does all else. None given: see `processes`."""
    srtp: Srtp = Srtp.OFF
    """When sound is secured; it is in any case where the phone offers that."""
    codecs: CodecNames = ("PCMA", "PCMU", "G722", "opus")
    """What phones are offered: first what the caller has, in its order, then the rest in this order."""

    def processes(self) -> int:
        """How many processes carry the sound: if it is not set one for each core, three at most, and no more than have
        room for a call."""
        if self.workers is not None:
            return self.workers
        fitting = [count for count in range(2, MOST_WORKERS + 1) if self.pairs_of_each(count) >= 2]
        return min(cores(), max(fitting, default=1))

    def pairs_of_each(self, workers: int) -> int:
        """How many pairs of ports each of so many workers has; a call takes two."""
        low, high = self.port_range
        return (high + 1 - low) // workers // 2 - low % 2

    def spoken(self) -> tuple[Codec, ...]:
        """The codecs as the media engine knows them."""
        known = {codec.encoding_name: codec for codec in Codec}
        return tuple(known[name] for name in self.codecs)


class Store(Table):
    """`[store]`: what is kept, and where."""

    data_dir: Folder = Field(default=Path("data"), validate_default=True)
    url: DatabaseUrl = SecretStr("")
    """A PostgreSQL database; empty: an SQLite file in `data_dir`."""
    call_days: Days = 365
    """How long records of calls are kept; 0: for ever."""
    recording_days: Days = 0
    """How long recordings of conversations are kept; 0: for ever."""
    voicemail_days: Days = 0
    """How long messages are kept, heard or not; 0: until somebody deletes them."""

    @property
    def location(self) -> Path | str:
        """Where the database is: a file or a URL."""
        return self.url.get_secret_value() or self.data_dir / "myphone.db"


def _or_ha1(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if password is None and info.data.get("ha1") is None:
        raise ValueError("is missing, add it")
    if password is not None and info.data.get("ha1") is not None:
        raise ValueError("is given twice, leave out ha1")
    return password


class Forward(Table):
    """Where calls to an extension go on to: the number of another extension each, a number outside, "voicemail" for its
    own, or any other destination (`pbx.destinations`)."""

    always: ForwardTarget | None = None
    busy: ForwardTarget | None = None
    no_answer: ForwardTarget | None = None
    not_registered: ForwardTarget | None = None


class Ha1(Table):
    """What is kept of a password (RFC 7616 section 3.4.2): of use for one realm alone."""

    realm: str
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Extension(Table):
    """One of `[[extensions]]`: a user."""

    number: Number
    ha1: Ha1 | None = None
    """In place of the password, as `myphone export` writes it."""
    password: Annotated[Secret | None, AfterValidator(_or_ha1)] = Field(default=None, validate_default=True)
    """What the phone registers with."""
    first_name: Name = ""
    last_name: Name = ""
    pin: Secret = SecretStr("")
    """For voicemail and the portal; the number unless set."""
    pin_hash: Annotated[str, Field(pattern=r"^(\$argon2id\$[A-Za-z0-9$,=+/]{1,180})?$")] = ""
    """In place of the PIN, as `myphone export` writes it."""
    sip_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = ""
    """An alternative to the number in SIP addresses; "ext" and the number unless set."""
    outbound_caller_id: Annotated[str, Field(pattern=r"^\+?[A-Za-z0-9._-]{0,64}$")] = ""
    """What calls to the outside show; the extension's number unless set."""
    withhold_number: bool = False
    """Whether those who are called outside are not to be shown who calls (RFC 3323)."""
    no_answer_seconds: Annotated[float, Field(ge=1, le=300)] = 60.0
    busy_detection: BusyDetection = BusyDetection.PBX
    record_calls: RecordCalls = RecordCalls.NONE
    language: Literal["", "en", "fr"] = ""
    """Of what it hears and is written; empty: that of `[prompts]`."""
    forward: Forward = Forward()
    manager: bool = False
    """Whether it is shown the calls of the whole company."""
    barge_in: bool = False
    """Whether it may join the calls that it is shown."""
    email: Literal[""] | MailAddress = ""
    """Where mail to the user goes."""
    voicemail: Mailbox = Mailbox()

    @model_validator(mode="before")
    @classmethod
    def _defaults_from_number(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(number := data.get("number"), str):
            return {"pin": number, "sip_id": f"ext{number}"} | data
        return data

    def credentials(self, realm: str) -> Credentials:
        """What is kept of the password."""
        if self.password is None:
            assert self.ha1 is not None, "there is one of both"
            return Credentials(self.ha1.md5, self.ha1.sha256)
        return Credentials.of(self.number, realm, self.password.get_secret_value())


class Numbers(Table):
    """`[numbers]`: numbers that belong to the system, so no extension and no code may have them."""

    voicemail: Number = "999"
    conference: Number = "700"

    def reserved(self) -> dict[str, str]:
        """What each number is for."""
        return {self.voicemail: "voicemail", self.conference: "conference"}


class Prompts(Table):
    """`[prompts]`: what the system says."""

    language: Literal["en", "fr"] = "en"
    music: ReadableFolder | None = None
    """WAV files for those who wait; none: a piece of our own."""


class Transfer(Table):
    """`[transfer]`: calls that one party hands on to a third."""

    ring_back: bool = True
    """Whether a transferor who has hung up is called again when nobody answers the transfer; else the call ends."""


class Parking(Table):
    """`[parking]`: calls that wait in an orbit until somebody takes them."""

    time_out_seconds: Annotated[float, Field(ge=0, le=86400)] = 0.0
    """After so long whoever parked a call is called again; 0: never."""
    max_calls: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """How many calls one orbit holds."""


class Pickup(Table):
    """`[pickup]`: calls that ring elsewhere, taken from any phone."""

    scope: Literal["system", "group"] = "system"
    """Whether everybody's calls may be picked up by code, or those of people in a group of one's own."""


class Conference(Table):
    """`[conference]`: rooms to talk in together."""

    max_parties: Annotated[int, Field(strict=True, ge=2, le=32)] = 32
    """How many people one room holds."""


class Events(Table):
    """`[events]`: lamps, presence, message lamps: what phones may watch (RFC 6665) and publish (RFC 3903)."""

    min_expires: Annotated[int, Field(strict=True, ge=1, le=86400)] = 60
    """Shortest subscription or publication, in seconds; shorter ones get 423."""
    max_expires: Annotated[int, Field(strict=True, ge=1, le=86400)] = 3600
    """Longest one; up to a tenth less is granted, so that those who come together do not come back together."""
    max_per_extension: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 500
    """How many subscriptions all phones of one extension may have; more get 403."""
    max_subscriptions: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 50_000
    """How many there may be in all; more get 503."""
    unsolicited_mwi: bool = True
    """Whether phones that have not asked are told of messages too."""


class Config(Table):
    """A whole configuration. Making one checks it: raises ConfigError where parts do not go together."""

    sip: Sip = nothing_said()
    media: Media = nothing_said()
    nat: Nat = nothing_said()
    store: Store = nothing_said()
    limits: Limits = nothing_said()
    numbers: Numbers = nothing_said()
    prompts: Prompts = nothing_said()
    conference: Conference = nothing_said()
    events: Events = nothing_said()
    transfer: Transfer = nothing_said()
    parking: Parking = nothing_said()
    pickup: Pickup = nothing_said()
    forwarding: ForwardingDefaults = nothing_said()
    voicemail: Voicemail = nothing_said()
    mail: Mail = nothing_said()
    dial_codes: dict[str, FeatureSetting] = Field(default_factory=dict)
    """By feature, and within it by handler: patterns in place of the features' own."""
    extensions: tuple[Extension, ...] = ()
    groups: tuple[Group, ...] = ()
    office_hours: OfficeHours = nothing_said()
    dialing: Dialing = nothing_said()
    trunks: tuple[Trunk, ...] = ()
    outbound_rules: tuple[OutboundRule, ...] = ()
    inbound_rules: tuple[InboundRule, ...] = ()
    queues: tuple[Queue, ...] = ()
    ring_groups: tuple[RingGroup, ...] = ()
    receptionists: tuple[Receptionist, ...] = ()

    @model_validator(mode="after")
    def _goes_together(self) -> Config:
        if problems := tuple(contradictions(self)):
            raise ConfigError(*problems)
        return self

    def directory(self) -> tuple[DirectoryEntry, ...]:
        """The extensions as the switch knows them: with hashes in place of passwords."""
        return tuple(_directory_entry(extension, self.sip.realm) for extension in self.extensions)

    def with_tables(self, tables: Mapping[str, Any]) -> Config:
        """The same with other tables, as a file has them. Raises ConfigError where they do not go together."""
        return parse({name: getattr(self, name) for name in type(self).model_fields} | dict(tables))


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
    try:
        return Config.model_validate(data, context={"folder": folder or Path()})
    except ValidationError as error:
        problems = tuple(explain(error, Config, data))
    raise ConfigError(*problems)


def _directory_entry(extension: Extension, realm: str) -> DirectoryEntry:
    forward = extension.forward
    return DirectoryEntry(
        number=extension.number,
        first_name=extension.first_name,
        last_name=extension.last_name,
        sip_id=extension.sip_id,
        outbound_caller_id=extension.outbound_caller_id,
        withhold_number=extension.withhold_number,
        no_answer_seconds=extension.no_answer_seconds,
        busy_detection=extension.busy_detection,
        record_calls=extension.record_calls,
        language=extension.language,
        diversions=Diversions(forward.always, forward.busy, forward.no_answer, forward.not_registered),
        credentials=extension.credentials(realm),
    )
