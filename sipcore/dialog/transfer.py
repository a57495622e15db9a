"""Transfer: REFER and what it starts (RFC 3515, 4488, 4538), and Replaces (RFC 3891).

`read_refer` makes a `Referral` of a REFER; whoever carries it out reports to its `ReferSubscription`, which tells the
transferor. `Replaces` names the dialog that another one is to take the place of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress, parse_parameters, split_values
from sipcore.syntax.message import REASONS, Message, Request, Response
from sipcore.syntax.uri import Uri
from values import dataclass

if TYPE_CHECKING:
    from sipcore.dialog.dialog import Dialog
    from sipcore.effects import Effect
    from sipcore.transaction.table import ClientTransaction
    from sipcore.transport.flow import Flow
    from sipcore.usage import Core

SIPFRAG = "message/sipfrag;version=2.0"
SUBSCRIPTION_SECONDS = 3600
"""How long the subscription of a REFER lasts at most; all that people ring for is shorter."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog by its three identifiers (RFC 3891 section 6.1). Which tag is whose depends on who has written it."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """The value of a Replaces header. Raises PeerError(400)."""
        return cls._of(text, "to-tag", "from-tag")

    @classmethod
    def parse_target_dialog(cls, text: str) -> Replaces:
        """The value of a Target-Dialog header (RFC 4538 section 7). Raises PeerError(400)."""
        return cls._of(text, "remote-tag", "local-tag")

    @classmethod
    def _of(cls, text: str, to: str, from_: str) -> Replaces:
        call_id, semicolon, rest = text.partition(";")
        parameters = dict(parse_parameters(semicolon + rest))
        to_tag, from_tag = parameters.get(to), parameters.get(from_)
        if not (call_id.strip() and to_tag and from_tag):
            raise PeerError(f"not a dialog: {text[:80]!r}")
        return cls(call_id.strip(), to_tag, from_tag, "early-only" in parameters)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def replaces_of(message: Message) -> Replaces | None:
    """The dialog that an INVITE is to take the place of; None if there is none. Raises PeerError(400)."""
    values = message.get_all("Replaces")
    if len([value for line in values for value in split_values(line)]) > 1:
        raise PeerError("more than one Replaces")
    return Replaces.parse(values[0]) if values else None


@dataclass(frozen=True, slots=True)
class Referral:
    """What a REFER asks for."""

    target: Uri
    """Without the headers that were written into it: all but Replaces are left unread, for they would be put into a
    request of ours."""
    replaces: Replaces | None
    notify: bool
    """Whether the transferor wants to be told (RFC 4488)."""
    event_id: int
    """Tells the subscriptions of one dialog apart (RFC 3515 section 2.4.6)."""


def read_refer(request: Request) -> Referral:
    """Read a REFER. Raises PeerError: 400, or 403 for a method that nobody may have sent in his name."""
    values = [value for line in request.get_all("Refer-To") for value in split_values(line)]
    if len(values) != 1:
        raise PeerError("a REFER has one Refer-To")
    uri = _target(values[0])
    if (uri.parameter("method") or "INVITE").upper() != "INVITE":
        raise PeerError("only an INVITE is sent for a REFER", status=403)
    replaces = [value for name, value in uri.headers if name == "replaces"]
    if len(replaces) > 1:
        raise PeerError("more than one Replaces")
    return Referral(
        target=uri.without("method")._replace(headers=()),
        replaces=Replaces.parse(replaces[0] or "") if replaces else None,
        notify=(request.get("Refer-Sub") or "true").partition(";")[0].strip().lower() != "false"
        and "norefersub" not in request.require,
        event_id=request.cseq_number,
    )


def _target(value: str) -> Uri:
    """The URI of a Refer-To. Raises PeerError(400).

    One with headers belongs in angle brackets (RFC 3261 section 20.10), which many phones leave out: all is URI then.
    """
    bare = "?" in value and "<" not in value
    return Uri.parse(value.strip()) if bare else NameAddress.parse(value).uri


def refer_to(target: Uri, replaces: Replaces | None = None) -> str:
    """The value of a Refer-To header."""
    headers = (("Replaces", str(replaces)),) if replaces else ()
    return str(NameAddress(None, target._replace(headers=headers)))


class ReferSubscription:
    """Tells a transferor how far its REFER has come (RFC 3515 section 2.4.4), from 100 to a final status.

    The first NOTIFY is sent by `start`, for it has to come after the response to the REFER. One is on its way at a
    time, and of what happens meanwhile only the last waits: so none overtakes another.
    """

    def __init__(self, core: Core, dialog: Dialog, flow: Flow, event_id: int, now: float) -> None:
        self._core = core
        self._dialog = dialog
        self._flow = flow
        self._event_id = event_id
        self._until = now + SUBSCRIPTION_SECONDS
        self._waiting: int | None = 100
        """The status to be told next."""
        self._told = 0
        """The status told last."""
        self._on_its_way = True
        self._unsubscribed = False
        self.ended = False
        """Whether nothing more is told: the final status is on its way, or nobody listens."""

    def start(self, now: float) -> list[Effect]:
        """The REFER has been accepted: tell what has come of it so far."""
        self._on_its_way = False
        return [] if self._waiting is None else self._send(now)

    def report(self, status: int, now: float) -> list[Effect]:
        """Tell a status; the first >= 200 is the last. Nothing is told twice, and nothing after the end."""
        if self.ended or status == self._told or (self._waiting or 0) >= 200:
            return []
        self._waiting = status
        return [] if self._on_its_way else self._send(now)

    def finish(self, status: int, now: float) -> list[Effect]:
        """Tell the final status, without waiting for anything: the dialog is about to be ended."""
        self._on_its_way = False
        waits = (self._waiting or 0) >= 200
        return self._send(now) if waits else self.report(status, now)

    def renew(self, seconds: int, now: float) -> list[Effect]:
        """The transferor subscribes for so long from now, or for 0 seconds: it wants to hear no more. In any case it is
        told how things stand (RFC 6665 sections 4.2.1.2 and 4.2.1.4)."""
        self._until, self._unsubscribed = now + seconds, seconds == 0
        if self._waiting is None:
            self._waiting = self._told
        return [] if self._on_its_way else self._send(now)

    def owns(self, event_id: str) -> bool:
        """Whether an `id` of an Event header is that of its REFER; without one it is the only one meant."""
        return event_id in ("", str(self._event_id))

    def close(self) -> None:
        """The dialog is over: nobody listens."""
        self.ended, self._waiting = True, None

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """What became of a NOTIFY. One that is refused ends the subscription alone (RFC 6665 section 4.2.2)."""
        if response.status < 200:
            return []
        self._on_its_way = False
        if response.status >= 300:
            self.close()
        return [] if self._waiting is None else self._send(now)

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the transferor is gone."""
        self.close()
        return []

    def _send(self, now: float) -> list[Effect]:
        assert self._waiting is not None
        status, self._waiting = self._waiting, None
        final = status >= 200
        self._told, self.ended, self._on_its_way = status, final or self._unsubscribed, True
        state = f"active;expires={max(0, int(self._until - now))}"
        if self.ended:
            state = f"terminated;reason={'noresource' if final else 'timeout'}"
        notify = self._dialog.request(
            "NOTIFY",
            [
                *self._core.local_headers(
                    self._flow, self._dialog.local.uri.user or "", self._dialog.contact_scheme
                ),
                ("Event", f"refer;id={self._event_id}"),
                ("Subscription-State", state),
                ("Content-Type", SIPFRAG),
            ],
            f"SIP/2.0 {status} {REASONS.get(status, '')}\r\n".encode(),
        )
        return self._core.send(notify, self._flow, self, now)[1]


def status_in(notify: Request) -> int | None:
    """The status that the NOTIFY of a REFER tells (RFC 3420); None where its body is none."""
    words = notify.body[:64].split(None, 2)
    if notify.content_type != "message/sipfrag" or len(words) < 2 or words[0] != b"SIP/2.0":
        return None
    return int(words[1]) if len(words[1]) == 3 and words[1].isdigit() else None
