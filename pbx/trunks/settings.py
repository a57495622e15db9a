"""The tables of the configuration that concern the outside world, and what they are checked for alone."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from pbx.config_values import Name, Number, ReadableFile, Secret, Table, Target
from pbx.destinations import Destination, parse_target
from pbx.numbers import NumberFormat, is_country

FIRST_PORT = 10000
"""Ports (trunks) are numbered from here up."""

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_SERVER = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")


def _server(text: str) -> str:
    if not _SERVER.fullmatch(text):
        raise ValueError("should be a host name or an IP address, with a port if need be: 192.0.2.1:5060")
    port = text.rpartition("]")[2].partition(":")[2]
    if port and not 0 < int(port) < 65536:
        raise ValueError("should have a port from 1 to 65535, or none")
    return text


def _country(code: str) -> str:
    if code and not is_country(code):
        raise ValueError('should be the ISO 3166 code of a country in capital letters, such as "FR"')
    return code


def _countries(codes: tuple[str, ...]) -> tuple[str, ...]:
    for code in codes:
        if code not in ("*", "001"):
            _country(code)
    return codes


def _range(lengths: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= lengths[0] <= lengths[1]:
        raise ValueError("should be [least, most], 1 or more")
    return lengths


TrunkName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
Server = Annotated[str, AfterValidator(_server)]
Country = Annotated[str, AfterValidator(_country)]
Countries = Annotated[tuple[str, ...], AfterValidator(_countries)]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{0,20}$")]
DidPattern = Annotated[str, Field(pattern=r"^(\+?[0-9A-Za-z._-]{0,64}\*?)$")]
Lengths = Annotated[tuple[int, int], AfterValidator(_range)]
Scheme = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]{0,15}$")]
Count = Annotated[int, Field(strict=True, ge=0, le=100_000)]


class TrunkType(Enum):
    """What is at the other end."""

    GATEWAY = "gateway"
    """A box that is known by its address, and that we do not register at."""
    PROVIDER = "provider"
    """A company that we register at with an account."""


class CallerIdStyle(Enum):
    """How a trunk is told who calls."""

    ASSERTED = "asserted"
    """P-Asserted-Identity (RFC 3325), and From."""
    REMOTE_PARTY_ID = "remote-party-id"
    """The draft that came before it, for old gateways; and From."""
    FROM = "from"
    """From alone."""


class Trunk(Table):
    """One of `[[trunks]]`: a way to the outside."""

    name: TrunkName
    type: TrunkType = TrunkType.GATEWAY
    port: Annotated[int, Field(strict=True, ge=FIRST_PORT, le=99999)] | None = None
    """Its number among the ports; the next free one from 10000 up unless set."""
    addresses: tuple[Server, ...] = ()
    """Of a gateway, in the order of trying. Calls are taken from all of them."""
    registrar: Server | Literal[""] = ""
    """Of a provider: its domain."""
    proxy: Server | Literal[""] = ""
    """Where requests to a provider go; the registrar unless set."""
    user: Annotated[str, Field(pattern=r"^[^\s\"@<>]{0,64}$")] = ""
    password: Secret | None = None
    realm: Annotated[str, Field(max_length=128)] = ""
    """The only realm whose challenges are answered; unless set, that of the first challenge."""
    transport: Literal["udp", "tcp", "tls", "auto"] = "udp"
    """auto: what the DNS says (RFC 3263)."""
    authorities: ReadableFile | None = None
    """Who may have signed the certificate of a TLS server (PEM); None: whom the operating system trusts."""
    max_calls: Count = 0
    """At the same time, both ways; 0: no limit."""
    qualify_seconds: Literal[0] | Annotated[float, Field(ge=5, le=3600)] = 25.0
    """How often the other end is asked whether it is there, which keeps ways through NATs open too; 0: never."""
    caller_id: CallerIdStyle = CallerIdStyle.ASSERTED
    from_user: Literal["caller", "account"] | None = None
    """Whose number is in From; a provider wants to see the account there unless set, a gateway the caller."""
    number_format: NumberFormat = NumberFormat.E164
    dial_prefix: Prefix = ""
    """Put before every number that is sent to it but for emergency numbers."""
    country: Country = ""
    """By whose rules it writes numbers; `dialing.country` unless set."""
    schemes: tuple[Scheme, ...] = ()
    """The kinds of URIs that it can call, such as "skype" or "sip": who has no number is reached through it."""

    @model_validator(mode="after")
    def _complete(self) -> Trunk:
        if self.type is TrunkType.GATEWAY:
            if not self.addresses:
                raise ValueError("a gateway needs addresses, give one or more")
            if self.registrar or self.proxy:
                raise ValueError(
                    'registrar and proxy are for providers, remove them or set type = "provider"'
                )
        elif not (self.registrar and self.user and self.password):
            raise ValueError("a provider needs registrar, user and password, add what is missing")
        elif self.addresses:
            raise ValueError("addresses are for gateways, use registrar and proxy")
        return self

    @property
    def shows_account(self) -> bool:
        """Whether From names the account; who calls is told elsewhere then."""
        if self.from_user is None:
            return self.type is TrunkType.PROVIDER
        return self.from_user == "account" and bool(self.user)

    @property
    def secret(self) -> str:
        """The password; empty if there is none."""
        return self.password.get_secret_value() if isinstance(self.password, SecretStr) else ""


class OutboundRule(Table):
    """One of `[[outbound_rules]]`: who may call what outside, and by which trunks. The first that fits is it."""

    name: Name = ""
    prefix: Prefix = ""
    """How what was dialled begins; empty: anyhow."""
    lengths: Lengths = (1, 32)
    """How many digits are dialled, at least and at most."""
    extensions: tuple[Number, ...] = ()
    groups: tuple[str, ...] = ()
    """Who may; with neither extensions nor groups: everybody."""
    strip: Annotated[int, Field(strict=True, ge=0, le=20)] = 0
    """How many digits are taken off the front."""
    prepend: Prefix = ""
    """What is put there instead."""
    trunks: Annotated[tuple[TrunkName, ...], Field(min_length=1)]
    """In the order of trying."""
    from_trunks: bool = False
    """Whether callers from outside may be led out again: by a rule, a forward or a transfer."""

    def fits(self, dialled: str) -> bool:
        """Whether the rule is about what was dialled."""
        least, most = self.lengths
        return dialled.startswith(self.prefix) and least <= len(dialled.removeprefix("+")) <= most

    def __str__(self) -> str:
        about = f"prefix {self.prefix}" if self.prefix else "any prefix"
        return f"{self.name or about} -> {', '.join(self.trunks)}"

    def rewritten(self, dialled: str) -> str:
        """The number that is called."""
        return self.prepend + dialled[self.strip :]


class InboundRule(Table):
    """One of `[[inbound_rules]]`: where calls from outside go. The first that fits is it."""

    name: Name = ""
    trunks: tuple[TrunkName, ...] = ()
    """Through which the call comes; empty: any."""
    did: DidPattern = ""
    """The number that was called, as the carrier or as E.164 has it; a `*` at the end stands for the rest."""
    caller: DidPattern = ""
    """The number that calls, as E.164 where it has such a form; empty: any, withheld ones too."""
    target: Target
    """An extension, a number of the system, a dial code: whatever could be dialled; or a destination."""
    otherwise: Literal[""] | Target = ""
    """Where calls go outside office hours; empty: to `target` as well."""
    language: Literal["", "en", "fr"] = ""
    """What callers hear; empty: that of `[prompts]`."""

    def fits(self, trunk: str, did: tuple[str, ...], caller: tuple[str, ...]) -> bool:
        """Whether the rule is about a call; numbers come in all the forms that they are known in."""
        return not self.objection(trunk, did, caller)

    def objection(self, trunk: str, did: tuple[str, ...], caller: tuple[str, ...]) -> str:
        """Why the rule is not about a call; empty if it is."""
        if self.trunks and trunk not in self.trunks:
            return f"the call comes through {trunk}"
        if not _matches(self.did, did):
            return "another number was called"
        if not _matches(self.caller, caller):
            return "somebody else calls" if caller else "the caller withholds the number"
        return ""

    def __str__(self) -> str:
        about = [self.name] if self.name else []
        about += [f"DID {self.did}"] if self.did else []
        about += [f"from {self.caller}"] if self.caller else []
        about += [f"through {', '.join(self.trunks)}"] if self.trunks else []
        closed = f", outside office hours {self.otherwise}" if self.otherwise else ""
        return f"{', '.join(about) or 'any call'} -> {self.target}{closed}"

    def leads_to(self, *, open_: bool) -> Destination:
        """Where a call goes while the office is open, or closed."""
        return parse_target(self.target if open_ else self.otherwise or self.target)


def _matches(pattern: str, numbers: tuple[str, ...]) -> bool:
    if not pattern:
        return True
    if pattern.endswith("*"):
        return any(number.startswith(pattern[:-1]) for number in numbers if number)
    return pattern in numbers


class Dialing(Table):
    """`[dialing]`: how numbers are written here, and what may be called."""

    country: Country = ""
    international_prefix: Annotated[str, Field(pattern=r"^[0-9]{0,8}$")] = ""
    """Dialled for the plus, beside what is so in the country."""
    emergency: tuple[Number, ...] | None = None
    """Numbers that every extension may always call; what the country has unless set."""
    allowed_countries: Countries = ()
    """Where calls may go; `country` alone unless set. "*": everywhere, "001": numbers of no country."""
    max_calls: Count = 4
    """External calls of one extension at the same time; 0: no limit."""
    max_calls_a_day: Count = 200
    """External calls of one extension from midnight to midnight (UTC); 0: no limit."""


class Group(Table):
    """One of `[[groups]]`: extensions that belong together. An extension may be in several."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    extensions: tuple[Number, ...] = ()
    heads: tuple[Number, ...] = ()
    sees_ports: bool = False
    """Whether its members see the state of the trunks: the management does."""

    @model_validator(mode="before")
    @classmethod
    def _heads_belong_to_it(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("heads"), list | tuple):
            members = data.get("extensions")
            if isinstance(members, list | tuple):
                return data | {"extensions": tuple(dict.fromkeys([*members, *data["heads"]]))}
        return data
