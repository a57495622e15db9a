"""What an INVITE from outside says: who calls, and which number. All of it is foreign text."""

from __future__ import annotations

import re

from pbx.dial_table import dialled_string
from pbx.numbers import NumberingPlan
from pbx.party import ExternalParty
from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress, split_values
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri

MAX_NAME_LENGTH = 64
MAX_NUMBER_LENGTH = 32

_NUMBER = re.compile(r"\+?[0-9A-Za-z*#._-]+")
_NOBODY = frozenset({"", "anonymous", "unavailable", "unknown", "restricted", "withheld", "private"})
"""User parts of callers who have no number to show."""
_HIDING = frozenset({"id", "user", "header", "full"})
"""Privacy values (RFC 3323, RFC 3325) that withhold who calls."""


def calling_party(request: Request, trunk: str, plan: NumberingPlan) -> ExternalParty:
    """Who calls: what the carrier asserts (RFC 3325 section 9.1), else what the caller says (From)."""
    privacy = {value.strip().lower() for line in request.get_all("Privacy") for value in line.split(";")}
    if privacy & _HIDING:
        return ExternalParty("", trunk=trunk)
    address = _first(request, "P-Asserted-Identity") or _first(request, "Remote-Party-ID") or request.from_
    number = readable_number(dialled_string(address.uri), plan)
    if not number:
        return ExternalParty("", trunk=trunk)
    return ExternalParty(number, readable_name(address.display_name or ""), trunk)


def called_numbers(request: Request, account: str, plan: NumberingPlan) -> tuple[str, ...]:
    """The number that was called, in the forms that rules may name it by.

    The Request-URI has it, or the account that we registered; then P-Called-Party-ID (RFC 7315) or To has it.
    """
    number = dialled_string(request.uri)
    if not number or number == account:
        party = _first(request, "P-Called-Party-ID") or request.to
        number = dialled_string(party.uri) or number
    return forms(number[:MAX_NUMBER_LENGTH], plan)


def forms(number: str, plan: NumberingPlan) -> tuple[str, ...]:
    """A number as it came, and as E.164 where that can be made out."""
    if not number:
        return ()
    return tuple(dict.fromkeys((number, str(plan.read(number)))))


def readable_number(text: str, plan: NumberingPlan) -> str:
    """A caller's number as E.164 where that can be made out; empty for none, or for what is no number at all."""
    if text.lower() in _NOBODY or len(text) > MAX_NUMBER_LENGTH or not _NUMBER.fullmatch(text):
        return ""
    return str(plan.read(text))


def readable_name(text: str) -> str:
    """A caller's name without anything that a display or a log could stumble over."""
    return "".join(character for character in text if character.isprintable())[:MAX_NAME_LENGTH].strip()


def _first(request: Request, header: str) -> NameAddress | None:
    """The first address of a header field that can be read and has a user."""
    for line in request.get_all(header)[:4]:
        for value in split_values(line)[:4]:
            try:
                address = NameAddress.parse(value)
            except PeerError:
                continue
            if address.uri.user and _may_call(address.uri):
                return address
    return None


def _may_call(uri: Uri) -> bool:
    return uri.scheme in ("sip", "sips", "tel")
