"""Presence documents: PIDF (RFC 3863) with the activities of RPID (RFC 4480)."""

from __future__ import annotations

from enum import Enum

from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from sipcore.events.xml import HEADER, Element, escaped, parse
from values import dataclass

EVENT = "presence"
CONTENT_TYPE = "application/pidf+xml"
PIDF = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
MAX_NOTE = 200


class Activity(Enum):
    """Those of RFC 4480 section 3.2 that matter to a telephone."""

    ON_THE_PHONE = "on-the-phone"
    AWAY = "away"
    BUSY = "busy"
    MEETING = "meeting"
    VACATION = "vacation"

    __hash__ = object.__hash__


_BY_NAME = {activity.value: activity for activity in Activity}


@dataclass(frozen=True, slots=True)
class PresenceFacts:
    """What is known of somebody."""

    open: bool
    """Whether a call would reach somebody."""
    activities: tuple[Activity, ...] = ()
    note: str = ""


def print_presence(entity: str, facts: PresenceFacts) -> Printed:
    """The document of `entity`, a SIP URI."""
    uri, basic = escaped(entity), "open" if facts.open else "closed"
    note = f"<note>{escaped(facts.note)}</note>" if facts.note else ""
    activities = "".join(f"<rpid:{activity.value}/>" for activity in facts.activities)
    text = (
        f'{HEADER}<presence xmlns="{PIDF}" xmlns:dm="{DATA_MODEL}" xmlns:rpid="{RPID}" entity="{uri}">\n'
        f'<tuple id="phone"><status><basic>{basic}</basic></status><contact>{uri}</contact>{note}</tuple>\n'
        f'<dm:person id="user"><rpid:activities>{activities}</rpid:activities></dm:person>\n</presence>\n'
    )
    return Printed(Document(CONTENT_TYPE, text.encode()))


def read_presence(data: bytes) -> PresenceFacts:
    """What a phone publishes, or what it is told. Unknown activities are left out. Raises PeerError(400)."""
    root = parse(data)
    if root.name != f"{PIDF} presence":
        raise PeerError("no presence document")
    tuples = root.all(f"{PIDF} tuple")
    basics = [_basic(one) for one in tuples]
    persons = root.all(f"{DATA_MODEL} person")
    notes = [element.text_of(f"{PIDF} note") for element in (root, *tuples)]
    notes += [person.text_of(f"{DATA_MODEL} note") for person in persons]
    note = next((note for note in notes if note), "")[:MAX_NOTE]
    found = [name for element in (*persons, *tuples) for name in _activities(element)]
    activities = tuple(dict.fromkeys(_BY_NAME[name] for name in found if name in _BY_NAME))
    return PresenceFacts("open" in basics if basics else True, activities, note)


def _basic(element: Element) -> str:
    status = element.child(f"{PIDF} status")
    basic = "" if status is None else status.text_of(f"{PIDF} basic")
    if basic not in ("", "open", "closed"):
        raise PeerError("a status that is neither open nor closed")
    return basic or "open"


def _activities(element: Element) -> list[str]:
    holder = element.child(f"{RPID} activities")
    names = [] if holder is None else [child.name for child in holder.children]
    return [name.removeprefix(f"{RPID} ") for name in names]
