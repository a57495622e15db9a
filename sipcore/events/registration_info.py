"""Registration state (RFC 3680): which contacts an extension has."""

from __future__ import annotations

from collections.abc import Sequence

from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from sipcore.events.xml import HEADER, escaped, parse

EVENT = "reg"
CONTENT_TYPE = "application/reginfo+xml"
NAMESPACE = "urn:ietf:params:xml:ns:reginfo"


def print_registration(aor: str, contacts: Sequence[str]) -> Printed:
    """The contacts (SIP URIs) of `aor`, another one, always in full."""
    state = "active" if contacts else "init"
    listed = "".join(
        f'<contact id="{number}" state="active" event="registered"><uri>{escaped(contact)}</uri></contact>\n'
        for number, contact in enumerate(contacts)
    )
    uri = escaped(aor)
    tail = (
        f'" state="full">\n<registration aor="{uri}" id="{uri}" state="{state}">\n{listed}'
        "</registration>\n</reginfo>\n"
    )
    head = f'{HEADER}<reginfo xmlns="{NAMESPACE}" version="'
    return Printed(Document(CONTENT_TYPE, head.encode(), tail.encode()))


def read_registration(data: bytes) -> tuple[int, str, tuple[str, ...]]:
    """Version, address-of-record and the URIs of its active contacts. Raises PeerError(400)."""
    root = parse(data)
    registration = root.child(f"{NAMESPACE} registration")
    version = root.attributes.get("version", "")
    if root.name != f"{NAMESPACE} reginfo" or registration is None or not version.isdecimal():
        raise PeerError("no registration information")
    contacts = registration.all(f"{NAMESPACE} contact")
    active = [contact for contact in contacts if contact.attributes.get("state") == "active"]
    uris = tuple(contact.text_of(f"{NAMESPACE} uri") for contact in active)
    return int(version), registration.attributes.get("aor", ""), uris
