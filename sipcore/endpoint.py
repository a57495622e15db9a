"""The whole pure stack: messages and time in, effects out.

`receive` takes what the network brings, `tick` what time brings; the transaction user speaks through `respond`,
`request`, `invite`, and the verbs of its sessions. Strangers are refused here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from operator import attrgetter
from random import Random
from typing import Any

from sipcore.deadlines import Deadlines
from sipcore.dialog.adrift import Adrift
from sipcore.dialog.callee import CalleeSession
from sipcore.dialog.caller import CallerSession
from sipcore.dialog.dialog import MAX_FORWARDS, DialogId, OurEnd, calling_scheme
from sipcore.dialog.invite import InviteSession
from sipcore.dialog.session import CONTENT_TYPE, SDP, SessionState
from sipcore.dialog.session_timer import TimerSettings, proposal
from sipcore.effects import Arrived, Effect, Moved, Responded, transmit
from sipcore.errors import ParseError, PeerError
from sipcore.registrar.gate import Admitted, Gate, Ignored, Refused
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.headers import NameAddress, warning_value
from sipcore.syntax.identifiers import MAGIC_COOKIE, Identifiers, StatelessTags
from sipcore.syntax.message import (
    Request,
    Response,
    checked,
    has_tag,
    print_fields,
    print_response,
    response_to,
)
from sipcore.syntax.printed import PrintedRequest
from sipcore.syntax.uri import Uri
from sipcore.transaction.events import FlowFailed, ResponseReceived, TransactionEvent
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.table import ClientTransaction, ServerTransaction, TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transaction.transaction import Client
from sipcore.transport.about_us import AboutUs
from sipcore.transport.flow import Address, Flow
from sipcore.transport.our_addresses import sent_by
from sipcore.transport.response_routing import request_flow, way_back
from sipcore.usage import Usage
from values import dataclass

logger = logging.getLogger(__name__)

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER", "MESSAGE")
KNOWN_METHODS = frozenset({*METHODS, "NOTIFY", "PUBLISH", "REFER", "SUBSCRIBE"})
"""Methods of RFCs: those among them that are not served get 405, all others 501."""
DIALOG_METHODS = frozenset({"BYE", "INFO", "PRACK", "UPDATE"})
"""Methods that mean nothing outside a dialog."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What an endpoint says about itself, and its limits."""

    timers: Timers = field(default_factory=Timers)
    server: str = "MyPhone PBX"
    """Server and User-Agent."""
    methods: Sequence[str] = METHODS
    """What is served; anything else is refused."""
    extensions: frozenset[str] = frozenset(
        {"100rel", "norefersub", "outbound", "path", "replaces", "tdialog", "timer"}
    )
    """Option tags that a Require may name."""
    reliable: bool = False
    """Whether provisional responses are reliable where the peer supports it, and ours may be (RFC 3262)."""
    session_timers: TimerSettings = field(default_factory=TimerSettings)
    max_sessions: int = 10_000
    """INVITEs above that get 503."""
    adrift_seconds: float = 32.0
    """How long a call that has lost its connection waits for its peer to come back by another."""


Service = Callable[[Request, str, Flow, float], tuple[int, Iterable[tuple[str, str]], list[Effect]]]
"""Told (request, identity, flow, now): the status and headers of its answer, and what is told when that is sent."""


class _Wishes:
    """What each INVITE of ours asks for, printed once."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self.extensions = "100rel, " if settings.reliable else ""
        """Supported, beside what every message of ours says."""
        self.session_timer = print_fields(proposal(settings.session_timers))


class Endpoint:
    """One user agent on any number of flows."""

    def __init__(self, settings: EndpointSettings, random: Random, gate: Gate) -> None:
        self.settings = settings
        self.random = random
        self.identifiers = Identifiers(random)
        self.transactions = TransactionTable(settings.timers)
        self._gate = gate
        self._sessions: dict[Usage, None] = {}  # in order: same seed, same trace
        """The INVITE sessions among the usages."""
        self._of_flow: dict[Flow, dict[Usage, None]] = {}
        """All usages, by their flow, to be found when that breaks."""
        self._dialogs: dict[DialogId, Usage] = {}
        self.deadlines: Deadlines[Any] = Deadlines()
        """Of all usages; transactions have their own."""
        self.watch = self.deadlines.watch
        self._adrift = Adrift(settings.adrift_seconds, self.deadlines)
        tags = StatelessTags(random.randbytes(32))
        self.stateless_tag, self.first_tag = tags.tag, tags.first
        """A To tag (of Call-ID and Via) for what begins no dialog; the same where a call begins."""
        self.server = "Server", settings.server
        self.about_us = AboutUs(settings.methods, settings.server)
        self._allow = self.about_us.allow
        self._wishes = _Wishes(settings)
        self.advertised: Callable[[Flow], Address] = attrgetter("local")
        """Where the peer of a flow is told to reach us, in Contact and Via."""
        self.stands_in: Callable[[str, Flow], bool] = lambda identity, flow: False
        """Whether the server at a flow speaks for whoever was admitted as this identity: carriers have several."""
        self.services: dict[str, Service] = {}
        """Method -> who answers it when it comes; all others but INVITE are told as `Arrived`."""
        self.stopping = False
        """Whether nothing new is begun."""

    # -- what the world brings --------------------------------------------------------------------------

    def receive(self, message: Request | Response, flow: Flow, now: float) -> list[Effect]:
        """Take a message. Whatever is wrong with it is answered or dropped, never raised."""
        try:
            if isinstance(message, Response):
                transaction = self.transactions.pass_up(message, now, flow.host)
                if transaction is not None:
                    usage = transaction.user
                    if usage is None:
                        return [Responded(transaction, message)]
                    told: list[Effect] = usage.on_response(transaction, message, now)
                    return told
                effects = self.transactions.receive_response(message, now, flow.host)
                return self._translate(effects, now) if effects else []
            known = self.transactions.find_server(message)
            if known is not None:
                return self._translate(self.transactions.receive_request(known, message, now), now)
            method, tag = message.method, message.to_tag
            if method == "CANCEL":
                return self._cancel(message, flow, now)
            if not tag:  # it belongs to nothing known: the gate first, then the checks of section 8.2
                verdict = Ignored() if method == "ACK" else self._gate.admit(message, flow, now)
                if isinstance(verdict, Admitted):
                    return self.admitted(message, verdict.identity, flow, now)
                if isinstance(verdict, Refused):
                    return self._refuse(message, flow, verdict.status, verdict.headers)
                return []
            dialog = message.call_id, tag, message.from_tag
            usage = self._dialogs.get(dialog) or self._dialogs.get((message.call_id, tag, ""))
            if usage is None or not usage.hears(dialog, flow):
                return [] if method == "ACK" else self._refuse(message, flow, 481)
            if flow is usage.flow or not isinstance(usage, InviteSession):
                if method == "ACK":
                    return usage.receive_ack(message, now)
                return self._serve_in_dialog(usage, message, flow, now)
            served, effects = self._follow(usage, message, flow, now)
            return effects + self._serve_in_dialog(usage, message, flow, now) if served else effects
        except PeerError as error:
            if isinstance(message, Response):
                return []
            return self._refuse(message, flow, error.status, [("Warning", warning_value(error.reason))])

    def receive_error(self, error: ParseError, flow: Flow, now: float) -> list[Effect]:
        """Answer bytes that were no acceptable message, where enough of them could be read."""
        request = error.request
        if request is None or request.method == "ACK":
            return []
        try:
            return self._refuse(request, flow, error.status)
        except PeerError:
            return []

    def flow_closed(self, flow: Flow, now: float) -> list[Effect]:
        """A stream connection is gone, and with it what went over it; but calls wait for their peer to come back."""
        effects = self._translate(self.transactions.flow_closed(flow, now), now)
        for usage in list(self._of_flow.get(flow, ())):
            effects += self._flow_lost(usage, flow, now)
        return effects

    def _flow_lost(self, usage: Usage, flow: Flow, now: float) -> list[Effect]:
        if not isinstance(usage, InviteSession) or usage.state is not SessionState.ESTABLISHED:
            return usage.flow_closed(now)
        if usage.flow == flow:  # or its peer is elsewhere by now, and only a request that came this way has lost it
            self._adrift.add(usage, now)
        return []

    def unsent(self, request: Request, now: float) -> list[Effect]:
        """The network knows no way for a request of ours: it fails like a lost connection (RFC 3261 section 17.1.4).

        Within a dialog the timers decide: a call outlives a network that is away for a moment.
        """
        return [] if request.to_tag else self._translate(self.transactions.unsent(request, now), now)

    def tick(self, now: float) -> list[Effect]:
        """Do what time asks for."""
        effects = self._translate(self.transactions.tick(now), now)
        while (due := self.deadlines.due(now)) is not None:
            effects += due.tick(now)
        return effects

    def next_deadline(self) -> float | None:
        """When `tick` wants to be called."""
        first, second = self.transactions.next_deadline(), self.deadlines.next()
        return second if first is None else first if second is None else min(first, second)

    # -- what the transaction user asks -----------------------------------------------------------------

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> list[Effect]:
        """Answer a request that `Arrived` or `RequestInDialog` told of."""
        to = response.first["To"]
        if response.status > 100 and not has_tag(response, to):
            first = transaction.request.first
            response.set("To", f"{to};tag={self.stateless_tag(first.get('Call-ID', ''), first['Via'])}")
        response.remove("User-Agent")  # that is for requests (section 20.41)
        response.add("Server", self.settings.server)
        if 200 <= response.status < 300 and transaction.request.method == "OPTIONS":
            self._add_abilities(response)
        elif response.status == 405 and not response.has("Allow"):
            response.add("Allow", self._allow)
        return self.transactions.respond(transaction, response, now)

    def _add_abilities(self, response: Response) -> None:
        """What the answer to an OPTIONS tells (section 11.2)."""
        extensions = ", ".join(sorted(self.settings.extensions))
        for name, value in (("Allow", self._allow), ("Accept", SDP), ("Supported", extensions)):
            if not response.has(name):
                response.add(name, value)

    def request(self, request: Request, flow: Flow, now: float) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request outside any dialog; `Responded` tells what comes of it."""
        return self.send(request, flow, None, now)

    def invite(
        self,
        uri: Uri,
        flow: Flow,
        *,
        from_: NameAddress,
        to: NameAddress,
        offer: SessionDescription | None,
        now: float,
        headers: Iterable[tuple[str, str]] = (),
        route_set: Iterable[NameAddress] = (),
        owner: Any = None,
    ) -> tuple[CallerSession, list[Effect]]:
        """Begin a session; `owner` is set before anything can be told of it. Raises UsageError, and begins nothing,
        where a name or header has a line break."""
        body = b"" if offer is None else offer.to_bytes()
        routes = tuple(route_set)
        address, user = self.advertised(flow), from_.uri.user or ""
        scheme = calling_scheme(uri, routes) if routes or uri.scheme != "sip" else "sip"
        branch, tag, call_id, number = self.identifiers.of_call()
        target, written = str(uri), f"{from_.address};tag={tag}"
        called = str(to) if to.parameters else to.address
        checked(f"{target}{written}{called}")
        passing = print_fields([("Route", str(route)) for route in routes]) if routes else ""
        wishes = self._wishes
        if wishes.settings is not self.settings:
            wishes = self._wishes = _Wishes(self.settings)
        about_us = self.about_us.fields(flow.transport, address, user, scheme, wishes.extensions)
        more = wishes.session_timer
        if headers:  # Content-Length may be another body's
            more += print_fields([header for header in headers if header[0] != "Content-Length"])
        head = (
            f"INVITE {target} SIP/2.0\r\nVia: {sent_by(flow.transport, address)};branch={branch};rport\r\n"
            f"Max-Forwards: {MAX_FORWARDS}\r\n{passing}From: {written}\r\nTo: {called}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {number} INVITE\r\n{about_us}{more}"
            f"{'' if offer is None else CONTENT_TYPE}Content-Length: {len(body)}\r\n\r\n"
        )
        request = PrintedRequest("INVITE", head.encode("utf-8", "surrogateescape") + body)
        ours = tuple.__new__(OurEnd, (call_id, tag, from_, written, number, scheme))  # as `fact` does it
        session = CallerSession(self, request, flow, offer, ours, owner)
        return session, session.start(now, branch)

    def move(self, session: InviteSession, flow: Flow) -> list[Effect]:
        """Reach the session's peer by another flow, where it has proved to be."""
        if session not in self._sessions or session.flow == flow:
            return []
        self._adrift.until.pop(session, None)
        before = session.flow
        session.move(flow)
        self.join(session, before)
        return [Moved(session)]

    def sessions_on(self, flow: Flow) -> list[InviteSession]:
        """The sessions whose peer is reached by a flow."""
        return [usage for usage in self._of_flow.get(flow, ()) if isinstance(usage, InviteSession)]

    def stop(self, now: float) -> list[Effect]:
        """End every session and subscription, and take no new one."""
        self.stopping = True
        effects: list[Effect] = []
        for usage in self.usages():
            effects += usage.hang_up(now)
        return effects

    def usages(self) -> list[Usage]:
        """All sessions and subscriptions."""
        return [usage for usages in self._of_flow.values() for usage in usages]

    def usages_on(self, flow: Flow) -> list[Usage]:
        """The sessions and subscriptions whose peer is reached by a flow."""
        return list(self._of_flow.get(flow, ()))

    def live(self) -> dict[str, int]:
        """How many of everything exist: all zero when nothing is going on."""
        return {
            "transactions": len(self.transactions),
            "sessions": len(self.usages()),
            "dialogs": len(self._dialogs),
        }

    # -- requests ---------------------------------------------------------------------------------------

    def admitted(self, request: Request, identity: str, flow: Flow, now: float) -> list[Effect]:
        """Serve what the gate has let in as `identity`, if section 8.2 finds nothing wrong with it."""
        if self.transactions.is_merged(request):
            return self._refuse(request, flow, 482)
        refusal = self._inspect(request)
        if refusal is not None:
            status, headers = refusal
            return self._refuse(request, flow, status, headers)
        if request.method == "INVITE":
            return self._invited(request, flow, identity, now)
        service = self.services.get(request.method)
        if service is not None:
            return self._serve(service, request, identity, flow, now)
        return [Arrived(self._accept(request, flow), request, identity, flow)]

    def _serve(
        self, service: Service, request: Request, identity: str, flow: Flow, now: float
    ) -> list[Effect]:
        try:
            status, headers, told = service(request, identity, flow, now)
        except Exception:
            logger.exception("%s was not served", request.method)
            status, headers, told = 500, (), []
        back, data = self._answer(request, flow, status, headers)
        return self.transactions.answer(request, back, data, now) + told

    def _accept(self, request: Request, flow: Flow) -> ServerTransaction:
        """Begin a server transaction, and note in the Via where its answers go."""
        back, via = way_back(request, flow)
        transaction = self.transactions.accept(request, back)  # by the Via as it has been read
        if via != request.first["Via"]:
            request.replace_via(via)
        return transaction

    def _inspect(self, request: Request) -> tuple[int, list[tuple[str, str]]] | None:
        """What section 8.2 finds wrong with a request: status and headers, or None."""
        if request.method not in self.settings.methods:
            return (405 if request.method in KNOWN_METHODS else 501), [("Allow", self._allow)]
        if request.uri.scheme not in ("sip", "sips", "tel"):
            return 416, []
        if "Require" in request.first:
            unknown = [tag for tag in request.require if tag not in self.settings.extensions]
            if unknown:
                return 420, [("Unsupported", ", ".join(unknown))]
        if request.to_tag:
            return None
        hops = request.first.get("Max-Forwards", "70")
        if hops != "70" and request.max_forwards == 0 and request.method != "OPTIONS":
            return 483, []  # we might call on for it
        if request.method in DIALOG_METHODS:
            return 481, []
        return None

    def _invited(self, request: Request, flow: Flow, identity: str, now: float) -> list[Effect]:
        back = flow
        if not request.asks_for_rport:
            try:
                back = request_flow(request, request.contacts[0].uri, flow)
            except (PeerError, IndexError):
                back = flow  # the session will say that there is no target
        transaction = self._accept(request, flow)
        if self.stopping or len(self._sessions) >= self.settings.max_sessions:
            busy = response_to(request, 503, headers=[("Retry-After", "10")])
            return self.respond(transaction, busy, now)
        trying = transaction.trying() if isinstance(transaction, InviteServer) else []
        try:
            session = CalleeSession(self, request, transaction, back, identity, self.identifiers.tag())
        except PeerError as error:
            return trying + self.respond(transaction, self._error_response(request, error), now)
        transaction.user = session
        return trying + session.start()

    def _follow(
        self, session: InviteSession, request: Request, flow: Flow, now: float
    ) -> tuple[bool, list[Effect]]:
        """Look at a request of a dialog that comes by another flow than before: whether it is to be served.

        Whoever knows the identifiers and comes from the same host is listened to, but only who proves to be the peer
        is followed there, or listened to from elsewhere.
        """
        contacts = request.contacts
        there = request_flow(request, contacts[0].uri, flow) if contacts else flow
        changes = request.method in ("INVITE", "UPDATE")
        adrift = session in self._adrift.until
        known = flow.host == session.flow.host and not (changes and adrift)
        if there == session.flow or (known and not request.has("Authorization")):
            return True, []
        if self.stands_in(session.identity, flow):
            return True, [] if request.method == "ACK" else self.move(session, there)
        if not session.identity or request.method == "ACK":
            return known, [] if known else self._refuse(request, flow, 481)
        verdict = self._gate.admit(request, flow, now)
        if isinstance(verdict, Admitted) and verdict.identity == session.identity:
            return True, self.move(session, there)
        if known or isinstance(verdict, Ignored):
            return known, []
        if isinstance(verdict, Refused):
            return False, self._refuse(request, flow, verdict.status, verdict.headers)
        return False, self._refuse(request, flow, 481)

    def _serve_in_dialog(self, usage: Usage, request: Request, flow: Flow, now: float) -> list[Effect]:
        if request.method == "ACK":
            return usage.receive_ack(request, now)
        refusal = self._inspect(request)
        if refusal is not None:
            status, headers = refusal
            return self._refuse(request, flow, status, headers)
        if request.method == "BYE" and isinstance(usage, InviteSession):
            return self._hung_up(usage, request, flow, now)
        transaction = self._accept(request, flow)
        transaction.user = usage
        effects = transaction.trying() if isinstance(transaction, InviteServer) else []
        try:
            return effects + usage.receive_request(request, transaction, now)
        except PeerError as error:
            return effects + self.respond(transaction, self._error_response(request, error), now)

    def _hung_up(self, session: InviteSession, request: Request, flow: Flow, now: float) -> list[Effect]:
        """A BYE is answered where it comes: no transaction is begun for it."""
        try:
            told = session.receive_bye(request, now)
        except PeerError as error:
            return self.respond(self._accept(request, flow), self._error_response(request, error), now)
        back, via = way_back(request, flow)
        data = print_response(request, 200, via, "", ())  # it has a tag, or it would be in no dialog
        return self.transactions.answer(request, back, data, now) + told

    def _cancel(self, request: Request, flow: Flow, now: float) -> list[Effect]:
        """CANCEL is answered by itself, and ends what it cancels only if that is still open (section 9.2)."""
        cancelled = self.transactions.find_cancelled(request)
        session = None if cancelled is None else cancelled.user
        elsewhere = cancelled is None or cancelled.flow.host != flow.host
        if cancelled is None or (elsewhere and not (session and self.stands_in(session.identity, flow))):
            return self._refuse(request, flow, 481)
        transaction = self._accept(request, flow)
        effects = self.respond(transaction, response_to(request, 200), now)
        return effects if session is None else effects + session.receive_cancel(cancelled, now)

    def _error_response(self, request: Request, error: PeerError) -> Response:
        headers = [("Warning", warning_value(error.reason))]
        if error.status == 500:
            headers.append(("Retry-After", str(self.random.randrange(0, 11))))
        elif error.status == 415:
            headers += [("Accept", SDP), ("Accept-Encoding", "identity")]
        elif error.status == 422:
            headers.append(("Min-SE", str(self.settings.session_timers.min_se)))
        return response_to(request, error.status, headers=headers)

    def _refuse(
        self, request: Request, flow: Flow, status: int, headers: Iterable[tuple[str, str]] = ()
    ) -> list[Effect]:
        """Answer without keeping anything (section 8.2.7)."""
        if request.method == "ACK":
            return []
        return [transmit(self._answer(request, flow, status, headers))]

    def _answer(
        self, request: Request, flow: Flow, status: int, headers: Iterable[tuple[str, str]]
    ) -> tuple[Flow, bytes]:
        """A final response without a body, and where it goes."""
        back, via = way_back(request, flow)
        tagged = self.first_tag if request.method == "INVITE" else self.stateless_tag
        tag = tagged(request.first.get("Call-ID", ""), via)
        return back, print_response(request, status, via, tag, [*headers, self.server])

    # -- responses ----------------------------------------------------------------------------------------

    def _translate(self, effects: list[Effect], now: float) -> list[Effect]:
        """Give what transactions tell to the usage or user that sent the request."""
        told: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, TransactionEvent):
                told.append(effect)
                continue
            transaction = effect.transaction
            if isinstance(transaction, Client):
                if isinstance(effect, ResponseReceived):
                    response = effect.response
                else:  # section 8.1.3.1
                    response = response_to(transaction.request, 503 if isinstance(effect, FlowFailed) else 408)
                told += self._tell(transaction, response, now)
            elif transaction.user is not None:
                told += self._flow_lost(transaction.user, transaction.flow, now)
        return told

    def _tell(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """Give a response to whoever sent the request."""
        usage = transaction.user
        if usage is None:
            return [Responded(transaction, response)]
        try:
            effects: list[Effect] = usage.on_response(transaction, response, now)
        except PeerError:  # a response that makes no sense is as good as none
            return []
        return effects

    # -- what usages need (sipcore.usage.Core) --------------------------------------------------------------

    def send(
        self, request: Request, flow: Flow, user: Any, now: float, branch: str | None = None
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Begin a client transaction: adds the Via, but where it is there already: that of `branch`, or of a CANCEL."""
        if branch is None and request.method != "CANCEL":
            branch, via = self.via(flow)
            request.prepend("Via", via)
        return self.transactions.send(request, flow, now, branch, user)

    def via(self, flow: Flow) -> tuple[str, str]:
        """The branch and the Via of a new request of ours."""
        branch = f"{MAGIC_COOKIE}{self.random.getrandbits(80):x}"  # as `identifiers` would say
        return branch, f"{sent_by(flow.transport, self.advertised(flow))};branch={branch};rport"

    def local_headers(self, flow: Flow, user: str, scheme: str = "sip") -> list[tuple[str, str]]:
        """Contact, with a `scheme` as secure as the flow is, and what every message of ours says about us."""
        return self.about_us.headers(flow.transport, self.advertised(flow), user, scheme)

    def join(self, usage: Usage, before: Flow | None = None) -> None:
        """The usage has begun, or has another flow than the one `before`."""
        if before is not None:
            del self._of_flow[before][usage]
            if not self._of_flow[before]:
                del self._of_flow[before]
        elif isinstance(usage, InviteSession):
            self._sessions[usage] = None
        self._of_flow.setdefault(usage.flow, {})[usage] = None

    def enter(self, usage: Usage, dialog: DialogId) -> None:
        """Requests within this dialog are the usage's. An empty remote tag stands for any that has no usage."""
        self._dialogs[dialog] = usage
        usage.dialog_ids += (dialog,)

    def leave(self, usage: Usage) -> None:
        """The usage is over; requests within its dialogs are nobody's."""
        others = self._of_flow.pop(usage.flow, None)
        if others is not None:
            others.pop(usage, None)
            if others:  # nearly always it was the only one
                self._of_flow[usage.flow] = others
        self._sessions.pop(usage, None)
        if self._adrift.until:
            self._adrift.until.pop(usage, None)
        self.deadlines.forget(usage)
        for dialog in usage.dialog_ids:
            self._dialogs.pop(dialog, None)

    def session_of(self, call_id: str, tag: str, other_tag: str) -> InviteSession | None:
        """The session that has this dialog, in whichever order its tags are named (RFC 3891 section 3).

        Who names a dialog of another's, as lamps do, sees it from the far side.
        """
        for dialog in ((call_id, tag, other_tag), (call_id, other_tag, tag)):
            if isinstance(session := self._dialogs.get(dialog), InviteSession):
                return session
        return None
