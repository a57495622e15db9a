"""A phone of few words: it says just what a script asks for, by templates, and so costs a fraction of a whole stack.

It is for races that are played ten thousand times over: what is under test is the system at the other end. It repeats
nothing, so that the network has to lose nothing; it sends no sound, and keeps one nonce, as real phones do.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sipcore.dialog.transfer import Replaces
from sipcore.registrar.digest import answer_challenge
from sipcore.transport.flow import Address
from tests.simulation.network import HostNetwork

EXPIRES_SECONDS = 3600
_FIELD = re.compile(r"^([A-Za-z-]+): *(.*?)\r?$", re.MULTILINE)
_TAG = re.compile(r";tag=([^;>\s]+)")
_URI = re.compile(r"<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose phone it is."""

    number: str
    password: str


class Heard(NamedTuple):
    """A message, as far as it is looked at."""

    start: str
    fields: dict[str, str]
    """The first of each name."""
    lines: str
    """What a response repeats of a request."""

    @classmethod
    def read(cls, data: bytes) -> Heard:
        head = data.partition(b"\r\n\r\n")[0].decode()
        start, _, rest = head.partition("\r\n")
        fields: dict[str, str] = {}
        repeated = []
        for name, value in _FIELD.findall(rest):
            fields.setdefault(name, value)
            if name in ("Via", "From", "Call-ID", "CSeq"):
                repeated.append(f"{name}: {value}\r\n")
        return cls(start, fields, "".join(repeated))

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of the request, or of the one that a response is to."""
        return self.fields["CSeq"].partition(" ")[2]


class HandsetCall:
    """One call of a handset."""

    def __init__(self, handset: Handset, call_id: str, called: bool) -> None:
        self.handset = handset
        self.call_id = call_id
        self.state = "rings" if called else "calls"
        """Then it talks, and then it is over."""
        self.changing = False
        """Whether a re-INVITE of ours waits for its end."""
        self._called = called
        self._cseq = handset.dice.randrange(1, 1 << 16)
        self._tag = handset.name()
        self._local = f"<sip:{handset.account.number}@{handset.server.host}>;tag={self._tag}"
        self._remote = self._target = ""
        self._more = ""
        """Header fields of the INVITE."""
        self._branch = ""
        self._invited: Heard | None = None
        self._heard_of = self._gives_up = False
        self._retry: asyncio.TimerHandle | None = None
        self._accepted: asyncio.Future[None] = handset.loop.create_future()

    @property
    def talks(self) -> bool:
        """Whether it has been answered, and is not over."""
        return self.state == "talks"

    @property
    def as_lamps_tell(self) -> Replaces:
        """The dialog as this phone sees it."""
        tag = _TAG.search(self._remote)
        return Replaces(self.call_id, self._tag, tag[1] if tag else "")

    async def answered(self) -> None:
        """Wait until the other side has answered."""
        await self._accepted

    # -- verbs -----------------------------------------------------------------------------------------

    def invite(self, number: str, more: str) -> None:
        """Call a number."""
        self._target = f"sip:{number}@{self.handset.server.host}"
        self._remote, self._more = f"<{self._target}>", more
        self._send_invite()

    def _send_invite(self, direction: str = "sendrecv") -> None:
        self._branch = self.handset.name()
        own = self.handset.credentials("INVITE", self._target) if self.state == "calls" else ""
        self._request("INVITE", self._more + own, self._branch, self.handset.description(direction))

    def answer(self) -> None:
        """Send 200."""
        if self.state == "rings" and self._invited is not None:
            self.state = "talks"
            self._respond(self._invited, "200 OK", self.handset.description())

    def hang_up(self) -> None:
        """CANCEL, a refusal, or BYE."""
        if self.state == "calls":
            self._gives_up = True
            if self._heard_of:
                self._request("CANCEL", "", self._branch, cseq=self._cseq)
        elif self.state == "rings" and self._invited is not None:
            self._respond(self._invited, "480 Temporarily Unavailable")
            self._end()
        elif self.state == "talks":
            self._request("BYE")
            self._end()

    def hold(self) -> None:
        """Have the other side stop sending."""
        if self.state == "talks":
            self.changing = True
            self._send_invite("sendonly")

    def transfer(self, number: str) -> None:
        """Send a REFER."""
        self._request("REFER", f"Refer-To: <sip:{number}@{self.handset.server.host}>\r\n")

    # -- what comes ------------------------------------------------------------------------------------

    def hear_request(self, heard: Heard) -> None:
        """Take a request within the call, or the INVITE that begins it."""
        match heard.method:
            case "INVITE" if self._invited is None and self.state == "rings":
                self._invited = heard
                self._remote = heard.fields["From"]
                self._take_target(heard)
                self._respond(heard, "180 Ringing")
            case "INVITE" if self.changing:
                self._respond(heard, "491 Request Pending")
            case "INVITE":
                self._respond(heard, "200 OK", self.handset.description())
            case "CANCEL":
                self._respond(heard, "200 OK")
                if self.state == "rings" and self._invited is not None:
                    self._respond(self._invited, "487 Request Terminated")
                    self._end()
            case "ACK":
                pass
            case method:
                self._respond(heard, "200 OK")
                if method == "BYE":
                    self._end()

    def hear_response(self, heard: Heard) -> None:
        """Take a response to an INVITE of ours; no others are waited for."""
        if heard.method != "INVITE":
            return
        status, begins = heard.status, self.state == "calls"
        if status < 200:
            if self._gives_up and not self._heard_of:
                self._request("CANCEL", "", self._branch, cseq=self._cseq)
            self._heard_of = True
        elif status < 300:
            self._remote = heard.fields["To"]
            self._take_target(heard)
            self._request("ACK", cseq=self._cseq)
            self.changing = False
            if begins:
                self.state = "talks"
                self._accepted.set_result(None)
                if self._gives_up:
                    self.hang_up()
        else:
            self._request("ACK", "", self._branch, cseq=self._cseq, to=heard.fields["To"])
            if begins and status == 401 and not self._gives_up and self.handset.challenged(heard):
                self._send_invite()
            elif begins:
                self._end()
            elif status == 491 and self.talks:  # RFC 3261 section 14.1
                dice = self.handset.dice
                seconds = 2 * dice.random() if self._called else 2.1 + 1.9 * dice.random()
                self._retry = self.handset.loop.call_later(seconds, self.hold)
            else:
                self.changing = False

    def _take_target(self, heard: Heard) -> None:
        found = _URI.search(heard.fields["Contact"])
        assert found is not None
        self._target = found[1]

    def _end(self) -> None:
        self.state = "over"
        if self._retry is not None:
            self._retry.cancel()
        self.handset.forget(self)

    # -- what is said ----------------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        more: str = "",
        branch: str = "",
        body: str = "",
        *,
        cseq: int = 0,
        to: str = "",
    ) -> None:
        if not cseq:
            self._cseq += 1
        self.handset.send(
            f"{method} {self._target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.handset.address};branch=z9hG4bK{branch or self.handset.name()};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {self._local}\r\nTo: {to or self._remote}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {cseq or self._cseq} {method}\r\n{self.handset.contact}{more}",
            body,
        )

    def _respond(self, request: Heard, status: str, body: str = "") -> None:
        to = request.fields["To"]
        tagged = to if _TAG.search(to) else f"{to};tag={self._tag}"
        if self._called:
            self._local = tagged
        contact = self.handset.contact if request.method == "INVITE" else ""
        self.handset.send(f"SIP/2.0 {status}\r\n{request.lines}To: {tagged}\r\n{contact}", body)


class Handset:
    """One registered phone. Build it inside a running loop."""

    def __init__(self, host: HostNetwork, account: Account, server: Address, dice: Random) -> None:
        self.account = account
        self.server = server
        self.dice = dice
        self.loop = asyncio.get_running_loop()
        self.address = Address(host.address, 5060)
        self.calls: dict[str, HandsetCall] = {}
        """Those that are not over, by Call-ID."""
        self.contact = f"Contact: <sip:{account.number}@{self.address}>\r\n"
        self._socket = host.open_udp(self.address, self._hear)
        self._incoming: asyncio.Queue[HandsetCall] = asyncio.Queue()
        self._challenge = ""
        self._uses = self._registers = 0
        self._registered: asyncio.Future[None] = self.loop.create_future()
        self._refresh: asyncio.TimerHandle | None = None

    async def register(self) -> None:
        """Register, and stay so."""
        self._register()
        await self._registered

    def stop(self) -> None:
        """Close the port."""
        if self._refresh is not None:
            self._refresh.cancel()
        self._socket.close()

    def dial(self, number: str, more: str = "") -> HandsetCall:
        """Call; `more` header fields go with the INVITE."""
        call = HandsetCall(self, f"{self.name()}@{self.address.host}", called=False)
        self.calls[call.call_id] = call
        call.invite(number, more)
        return call

    async def incoming(self) -> HandsetCall:
        """The next call that rings here."""
        return await self._incoming.get()

    def forget(self, call: HandsetCall) -> None:
        """A call is over."""
        self.calls.pop(call.call_id, None)

    # -- for its calls ---------------------------------------------------------------------------------

    def name(self) -> str:
        """A word that nobody has used before."""
        return f"{self.dice.getrandbits(64):016x}"

    def description(self, direction: str = "sendrecv") -> str:
        """What it offers and answers: PCMA alone."""
        host = self.address.host
        return (
            f"v=0\r\no=- {self.dice.getrandbits(30)} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio 30000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
        )

    def credentials(self, method: str, uri: str) -> str:
        """The header that answers the last challenge; nothing before the first."""
        if not self._challenge:
            return ""
        self._uses += 1
        value = answer_challenge(
            [self._challenge],
            method,
            uri,
            self.account.number,
            self.account.password,
            nc=self._uses,
            cnonce=self.name(),
        )
        return f"Authorization: {value}\r\n"

    def challenged(self, heard: Heard) -> bool:
        """Note a challenge; False for one that says that the password is wrong."""
        wrong = bool(self._challenge) and "stale=true" not in heard.fields["WWW-Authenticate"]
        self._challenge, self._uses = heard.fields["WWW-Authenticate"], 0
        return not wrong

    def send(self, head: str, body: str) -> None:
        """Send a message; `head` is all but what tells of its body."""
        if body:
            head += "Content-Type: application/sdp\r\n"
        self._socket.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.server)

    # -- messages --------------------------------------------------------------------------------------

    def _register(self) -> None:
        self._registers += 1
        uri, me = f"sip:{self.server.host}", f"<sip:{self.account.number}@{self.server.host}>"
        self.send(
            f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.address};branch=z9hG4bK{self.name()};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {me};tag=r\r\nTo: {me}\r\nCall-ID: register@{self.address.host}\r\n"
            f"CSeq: {self._registers} REGISTER\r\n{self.contact}Expires: {EXPIRES_SECONDS}\r\n"
            + self.credentials("REGISTER", uri),
            "",
        )

    def _hear(self, data: bytes, source: Address) -> None:
        heard = Heard.read(data)
        call = self.calls.get(heard.fields["Call-ID"])
        if heard.status and heard.method == "REGISTER":
            self._hear_registered(heard)
        elif call is not None and heard.status:
            call.hear_response(heard)
        elif call is not None:
            call.hear_request(heard)
        elif not heard.status and heard.method == "INVITE":
            call = HandsetCall(self, heard.fields["Call-ID"], called=True)
            self.calls[call.call_id] = call
            call.hear_request(heard)
            self._incoming.put_nowait(call)
        elif not heard.status and heard.method != "ACK":  # of a call that is over, or outside any
            status = "481 Call/Transaction Does Not Exist" if heard.method != "OPTIONS" else "200 OK"
            self.send(f"SIP/2.0 {status}\r\n{heard.lines}To: {heard.fields['To']};tag=x\r\n", "")

    def _hear_registered(self, heard: Heard) -> None:
        if heard.status == 401 and self.challenged(heard):
            self._register()
        elif heard.status == 200:
            self._refresh = self.loop.call_later(0.7 * EXPIRES_SECONDS, self._register)
            if not self._registered.done():
                self._registered.set_result(None)
        elif heard.status >= 300:
            raise AssertionError(f"not registered: {heard.start}")
