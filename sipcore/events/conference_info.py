"""Conference state (RFC 4575): who is in a conference."""

from __future__ import annotations

from collections.abc import Sequence

from sipcore.errors import PeerError
from sipcore.events.dialog_info import address
from sipcore.events.document import Document, Printed
from sipcore.events.xml import HEADER, escaped, parse
from values import dataclass

EVENT = "conference"
CONTENT_TYPE = "application/conference-info+xml"
NAMESPACE = "urn:ietf:params:xml:ns:conference-info"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a conference; `id` tells two calls of one user apart."""

    id: str
    user: str
    """The user part of the address."""
    name: str = ""


def print_conference(conference: str, host: str, participants: Sequence[Participant]) -> Printed:
    """A conference, and those in it, by the user parts of their addresses at `host`; always in full."""
    users: dict[str, list[Participant]] = {}
    for participant in participants:
        users.setdefault(address(participant.user, host), []).append(participant)
    entity = escaped(address(conference, host))
    listed = "".join(_user(uri, endpoints) for uri, endpoints in users.items())
    head = f'{HEADER}<conference-info xmlns="{NAMESPACE}" entity="{entity}" state="full" version="'
    count = len(users)
    tail = (
        f'">\n<conference-state><user-count>{count}</user-count></conference-state>\n'
        f"<users>\n{listed}</users>\n</conference-info>\n"
    )
    return Printed(Document(CONTENT_TYPE, head.encode(), tail.encode()))


def _user(uri: str, endpoints: Sequence[Participant]) -> str:
    name = endpoints[0].name
    shown = f"<display-text>{escaped(name)}</display-text>" if name else ""
    listed = "".join(
        f'<endpoint entity="{escaped(uri)};call={escaped(endpoint.id)}"><status>connected</status></endpoint>'
        for endpoint in endpoints
    )
    return f'<user entity="{escaped(uri)}">{shown}{listed}</user>\n'


def read_conference(data: bytes) -> tuple[int, str, dict[str, int]]:
    """Version, entity, and how many endpoints each user's URI is connected with. Raises PeerError(400)."""
    root = parse(data)
    version = root.attributes.get("version", "")
    if root.name != f"{NAMESPACE} conference-info" or not version.isdecimal():
        raise PeerError("no conference information")
    users = root.child(f"{NAMESPACE} users")
    counts = {
        user.attributes.get("entity", ""): len(user.all(f"{NAMESPACE} endpoint"))
        for user in ([] if users is None else users.all(f"{NAMESPACE} user"))
    }
    return int(version), root.attributes.get("entity", ""), counts
