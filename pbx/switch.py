"""The switch: where SIP, sound, the directory and the features meet.

It performs no protocol and plays no sound itself. It gives each incoming request to the part that knows the
answer, starts a `Call` for each INVITE, and keeps the books: which legs exist, and whose they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from media.alarms import Alarms
from media.messages import (
    Event,
    PortsReady,
    StreamBroken,
    StreamClosed,
    StreamEvent,
    StreamFailed,
    StreamReported,
    StreamSilent,
    TicksReported,
    WorkerLost,
)
from media.service import MediaService, MediaSettings
from pbx.audio_watch import AudioWatch
from pbx.board import Board
from pbx.call import Call
from pbx.call_quality import call_quality
from pbx.certificate import CertificateWatch
from pbx.config import Config, Sip
from pbx.dial_codes import dial_table
from pbx.dialled import dialled
from pbx.directory import Directory, Extension
from pbx.environment import Environment
from pbx.events import Events
from pbx.forwarding import kept
from pbx.forwarding.book import Forwarding
from pbx.happenings import ExtensionRegistered, ExtensionUnregistered, Happenings, Unregistration
from pbx.history.history import History
from pbx.history.journal import FILE as JOURNAL
from pbx.history.journal import Journal
from pbx.info_digits import INFO_REMEDIES, BadInfo, read_info
from pbx.keeping import Keeping
from pbx.leg import ENDED, TAKERS, Leg
from pbx.limits import LIMIT_REACHED, TOO_MANY_CALLS, is_full
from pbx.live_changes import LiveChanges
from pbx.live_data import fill
from pbx.messages import Messages
from pbx.nat import NatTraversal
from pbx.parking import ParkingLot
from pbx.party import Party
from pbx.pickup import take_place
from pbx.plugin import Feature
from pbx.presence import Presence
from pbx.prompts import PromptFiles, Silence
from pbx.queues.desk import Queues
from pbx.recordings import Recordings
from pbx.referral import refer_in_dialog, refer_outside, subscribe_in_dialog
from pbx.requests import Requests
from pbx.retention import Retention
from pbx.rosters import Rosters
from pbx.routing import Router
from pbx.sips import NOT_ALLOWED, allows
from pbx.store.store import Store
from pbx.system_numbers import system_numbers
from pbx.trunks.book import Trunks
from pbx.trunks.gate import TrunkGate, trunk_named
from pbx.turned_away import TurnedAway
from pbx.voicemail import VoicemailSystem
from sipcore.dialog.session_timer import TimerSettings
from sipcore.effects import Arrived, Effect, Invited, Registered, RequestInDialog, Responded
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.net.driver import Driver, DriverSettings
from sipcore.net.limits import Limits
from sipcore.registrar.callers import readers_of_the_known
from sipcore.registrar.gate import DigestGate
from sipcore.registrar.registrar import Binding, BindingChange, Change, Registrar, RegistrarSettings, Said
from sipcore.syntax.message import Request
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pbx.destinations import Destination
    from pbx.mailboxes import Mailboxes

Shared = TypeVar("Shared")

SERVED = (*METHODS, "REFER", "SUBSCRIBE", "PUBLISH")
"""The methods that phones may use."""

EXPIRES_SPREAD = 0.1
"""A registration lasts up to so much less than was asked for: phones that came together do not come back together."""

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}

STOP_SECONDS = 3.0
"""How long a stop waits for phones to confirm that their calls have ended."""

IDLE_MARGIN_SECONDS = 60.0
"""So much longer than a registration may last, an idle connection stays open: closing it would take that along."""


leg_takes = TAKERS.get
"""What a leg does with a fact of a class; None: nothing."""
_OF_NO_STREAM: Final = (PortsReady, TicksReported)
_FAILURES: Final = (StreamFailed, StreamBroken)


class Legs:
    """The legs that exist, by stream and by whose they are: an extension's, or a trunk's."""

    def __init__(self) -> None:
        self.changed: Callable[[str], None] = lambda line: None
        """Is told whose legs come, go, or change, if these are followed."""
        self.followed: Container[str] = ()
        """Whose legs somebody watches."""
        self.by_line: dict[str, set[Leg]] = {}
        """The ringing and established legs of those who have some: others only read it."""
        self.by_stream: dict[int, Leg] = {}
        """Who is told what a stream tells, until that tells nothing more."""

    def add(self, leg: Leg) -> None:
        """Enter a leg at its start."""
        self.by_stream[leg.stream] = leg
        line = leg.line
        if line in self.by_line:
            self.by_line[line].add(leg)
        elif line:
            self.by_line[line] = {leg}

    def discard(self, leg: Leg) -> None:
        """Strike a leg out at its end. Its stream may still have something to tell, until it is closed too."""
        if leg.plan is None:
            self.by_stream.pop(leg.stream, None)
        line = leg.line
        legs = self.by_line.get(line)
        if legs is not None:
            legs.discard(leg)
            if not legs:
                del self.by_line[line]
        if line in self.followed:
            self.changed(line)

    def lend(self, stream: int, leg: Leg) -> None:
        """What another stream tells is told to the leg too, until that is closed."""
        self.by_stream[stream] = leg

    def of(self, line: str) -> Collection[Leg]:
        """The ringing and established legs of an extension (its number) or a trunk (its name)."""
        return self.by_line.get(line, ())

    def __len__(self) -> int:
        return len(self.by_stream)


class Switch:
    """One phone system. Build it inside a running event loop, then `start()`; `stop()` ends all calls."""

    between_workers: str
    """The address by which media workers reach each other."""

    def __init__(
        self,
        environment: Environment,
        config: Config,
        features: Iterable[Feature] = (),
        prompts: PromptFiles | None = None,
        store: Store | None = None,
    ) -> None:
        """`prompts` says what features want said; without it they are mute.

        `store` is where things are kept, closed by `stop`; without it they are forgotten with the switch.
        """
        self.environment = environment
        self.config = config
        self.store = Store.in_memory(partial(fill, config)) if store is None else store
        self.codecs, self.srtp = config.media.spoken(), config.media.srtp
        self.distinctive_ring, self._limits_calls = config.sip.distinctive_ring, config.limits.max_calls > 0
        self.loop = asyncio.get_running_loop()
        self.alarms = Alarms(self.loop, now=environment.now)
        self.happenings = Happenings()
        self.history = self._history()
        self.directory = Directory(config.directory())
        self.features = features = tuple(features)
        self.dial_table = dial_table(features, config)
        self.system_numbers = system_numbers(features, config, self.directory, lambda: self.dial_table)
        self.trunks = Trunks(self)
        self.forwarding = Forwarding(environment.wall, config, self.trunks.outbound.plan)
        self.reroute()
        self.legs = Legs()
        self.prompts = prompts or Silence()
        self.calls: dict[str, Call] = {}
        self.turned_away = TurnedAway(self)
        self.parking = ParkingLot(lambda orbit: self.events.orbit_changed(orbit))
        self.queues = Queues(self)
        sip = config.sip
        self.between_workers = LOOPBACK.get(sip.listen, sip.listen)
        self.registrar = Registrar(_registrar_settings(sip), environment.rng)
        phones = DigestGate(sip.realm, self.directory.account, environment.entropy())
        gate = TrunkGate(self.trunks.source, phones)
        self.endpoint = Endpoint(_endpoint_settings(sip), environment.rng, gate)
        self.endpoint.stands_in = self.trunks.stands_in
        self.driver = Driver(
            self.endpoint, environment.network, _driver_settings(sip), self._on_effect, self._on_flow_closed
        )
        self.driver.urgent = lambda dialled: self.trunks.outbound.emergency(dialled) is not None
        certificate = sip.certificate if sip.tls else None
        self.certificate = CertificateWatch(certificate, environment.wall, self.happenings.tell)
        self.requests = Requests(self.endpoint, self.driver, self.loop)
        self.requests.handlers["REFER"] = partial(refer_outside, self)
        self.driver.readers = readers_of_the_known(self.endpoint, gate, self._register, self._refresh)
        self.nat = self._nat()
        self.events = Events(self, config.events)
        self.presence: Presence = Presence(self, self.events.publications.states, self.events.changed)
        self.forwarding.away = self.presence.away
        self.board = Board(self)
        self.voicemail = VoicemailSystem(self)
        self.rosters = Rosters(self.events.conference_changed)
        ports, workers = config.media.port_range, config.media.processes()
        media = MediaSettings(sip.listen, ports, workers, environment.threads is not None, self.codecs)
        self.media = MediaService(media, environment.media_network, environment.rng, environment.forks)
        self.media.on_event = self._on_media_event
        self.audio_watch = AudioWatch(self)
        self.recordings = Recordings(self)
        self.messages = Messages(self)
        self.keeping = Keeping(self)
        self.live_changes = LiveChanges(self)
        self.retention = Retention(self)
        self._takers = self._takers_of_effects()
        self._expiry: asyncio.TimerHandle | None = None
        self._shared: dict[Callable[[], Any], Any] = {}

    def reroute(self) -> None:
        """Decide by the rules of this moment from now on."""
        self.router = Router(
            self.directory,
            self.dial_table,
            self,
            self.config.sip.follow_redirects,
            self.trunks.outbound,
            self.system_numbers,
            self.forwarding,
        )

    def _history(self) -> History:
        settings, environment = self.config.store, self.environment
        lasting = self.store.durable and settings.data_dir.is_dir()
        journal = Journal(settings.data_dir / JOURNAL) if lasting else None
        days, threads = settings.call_days, environment.threads
        return History(self.happenings, self.store, environment.wall, days, journal, threads)

    def _nat(self) -> NatTraversal:
        return NatTraversal(
            self.config,
            self.environment,
            legs_of=self.legs.of,
            registrar=self.registrar,
            requests=self.requests,
            endpoint=self.endpoint,
            driver=self.driver,
        )

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Let features begin, and open the ports. Raises OSError that names the address where one is taken."""
        kept.load(self)
        for begin in (begin for feature in self.features for begin in feature.starts):
            await begin(self)
        await self.voicemail.start()
        await self.media.start()
        await self.driver.start()
        self.nat.start()
        self.history.start()
        self.nat.note(self.keeping.restore(), self.loop.time())
        self._arm_expiry()
        self.messages.start()
        self.trunks.start()
        self.events.start()
        self.certificate.start()
        self.live_changes.start()
        self.retention.start()

    async def stop(self) -> None:
        """Hang up every call, wait for the phones to confirm it, and close the ports."""
        deadline = self.loop.time() + STOP_SECONDS
        self.live_changes.stop()
        self.retention.stop()
        while self.calls and self.loop.time() < deadline:  # those included that begin meanwhile
            for call in list(self.calls.values()):
                call.cancel(503)
            await asyncio.sleep(0.02)
        self.driver.perform(self.endpoint.stop(self.loop.time()))
        while self.endpoint.live()["sessions"] and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
        await self.trunks.stop()
        if self._expiry is not None:
            self._expiry.cancel()
        self.messages.stop()
        self.nat.stop()
        self.events.stop()
        self.certificate.stop()
        await self.driver.stop()
        await self.media.stop()
        self.queues.stop()
        self.history.stop()
        self.keeping.flush()
        await self.voicemail.stop()
        await self.store.close()
        self.history.store_closed()

    def reload_certificates(self) -> None:
        """Use a renewed certificate for the connections to come; those that exist go on. Raises OSError."""
        self.driver.reload_certificates()
        self.certificate.look()

    # -- what others ask ----------------------------------------------------------------------------------

    def registered(self, number: str) -> bool:
        """Whether a phone is registered at the extension (`pbx.routing.Lines`)."""
        return bool(self.registrar.bindings(number, self.environment.now()))

    def calls_of(self, number: str) -> int:
        """How many ringing or established calls an extension or a trunk has (`pbx.routing.Lines`)."""
        legs = self.legs.by_line.get(number)
        return 0 if legs is None else len(legs)

    def legs_of(self, number: str) -> Iterable[Leg]:
        """The legs of an extension (`pbx.presence.Lines`)."""
        return self.legs.of(number)

    def is_internal(self, leg: Leg) -> bool:
        """Whether the call of a leg has no end outside (`pbx.presence.Lines`)."""
        call = self.calls.get(leg.call_id)
        return call is None or call.internal

    def shared(self, factory: Callable[[], Shared]) -> Shared:
        """What `factory` makes, made once for this system: where a feature keeps what its calls have in common."""
        if factory not in self._shared:
            self._shared[factory] = factory()
        shared: Shared = self._shared[factory]
        return shared

    @property
    def mailboxes(self) -> Mailboxes:
        """What was said for whom."""
        return self.voicemail.mailboxes

    def bindings(self, extension: Extension) -> list[Binding]:
        """Where the extension's phones are, preferred ones first."""
        return self.registrar.bindings(extension.number, self.environment.now())

    def media_host(self, flow: Flow) -> str:
        """The address that a phone behind `flow` is told to send its media to."""
        return self.nat.addresses.media(flow)

    # -- what SIP tells -------------------------------------------------------------------------------------

    def _takers_of_effects(self) -> dict[type[Effect], Callable[[Any], None]]:
        return {
            Arrived: self.requests.on_arrived,
            Registered: lambda registered: self._tell_bindings(registered.changes),
            Responded: self.requests.on_responded,
            Invited: self._on_invite,
            RequestInDialog: self._on_request_in_dialog,
        }

    def _on_effect(self, effect: Effect) -> None:
        """What is of a session goes to whoever has that, but for requests that belong to none of its matters."""
        take = leg_takes(effect.__class__)
        if take is None:
            self._on_other_effect(effect)
            return
        owner = effect.session.owner
        if owner.__class__ is not Leg:
            if owner is not None:
                owner.on_effect(effect)
        elif owner.state is not ENDED:  # as `Leg.on_effect` does it, of which there are many in each call
            take(owner, effect)

    def _on_other_effect(self, effect: Effect) -> None:
        take = self._takers.get(effect.__class__)
        if take is not None:
            take(effect)
        elif (owner := effect.session.owner) is not None:
            owner.on_effect(effect)

    def _on_request_in_dialog(self, effect: RequestInDialog) -> None:
        if effect.request.method == "MESSAGE":
            self.messages.in_dialog(effect, effect.session.owner)
            return
        if effect.request.method == "REFER":
            refer_in_dialog(self, effect)
            return
        if effect.request.method == "SUBSCRIBE":
            subscribe_in_dialog(self, effect)
            return
        if effect.request.method != "INFO":
            self.requests.respond(effect, 200 if effect.request.method == "OPTIONS" else 405)
            return
        try:
            digit = read_info(effect.request)
        except BadInfo as bad:
            headers = INFO_REMEDIES.get(bad.status, ())
            self.requests.respond(effect, bad.status, headers)
            return
        self.requests.respond(effect, 200)
        leg = effect.session.owner
        if digit is not None and leg is not None:
            leg.on_info(digit)

    def _on_invite(self, invited: Invited) -> None:
        session, request, identity, _ = invited
        caller = self.directory.find(identity)
        if caller is None:
            trunk = trunk_named(identity)
            assert trunk is not None, "the gate admits extensions and trunks only"
            self.trunks.receive(trunk, invited)
            return
        uri = request.uri
        number = dialled(uri, self.router.knows)
        if not allows(uri, session.flow) and not self.router.is_emergency(number, caller):
            status, headers = NOT_ALLOWED
            self.driver.perform(session.reject(status, self.loop.time(), headers=headers))
            self.turned_away.tell(caller, number, status, why="a sips: address, called in the clear")
        elif request.has("Replaces"):
            take_place(self, invited, caller)
        else:
            self.begin_call(invited, caller, number)

    def begin_call(
        self,
        invited: Invited,
        caller: Party,
        dialled: str,
        destination: Destination | None = None,
        dids: tuple[str, ...] = (),
    ) -> None:
        """Serve a caller who was admitted; `destination` says what it leads to, where that is not to be looked up.
        `dids`: the forms of the number outside that was called."""
        if self._limits_calls and is_full(self, dialled, caller):
            status, reason = TOO_MANY_CALLS
            self.driver.perform(invited.session.reject(status, self.loop.time(), reason))
            self.turned_away.tell(caller, dialled, status, reason, why=LIMIT_REACHED)
            return
        call_id = self.new_call_id()
        call = self.calls[call_id] = Call(self, call_id, caller, dialled, dids)
        call.start(invited, destination)

    def new_call_id(self) -> str:
        """One that no call has had."""
        return f"{self.environment.rng.getrandbits(64):016x}"

    # -- registrations --------------------------------------------------------------------------------------

    def _register(
        self, request: Request, extension: str, flow: Flow, now: float
    ) -> tuple[int, list[tuple[str, str]], list[Effect]]:
        status, headers, changes = self.registrar.register(request, extension, flow, now)
        if not changes and status == 200:
            self._note_refresh(extension)
        return status, headers, [Registered(changes)] if changes else []

    def _refresh(self, said: Said, cseq: int, extension: str, flow: Flow, now: float) -> str | None:
        contact = self.registrar.refresh(said, cseq, extension, flow, now)
        if contact is not None:
            self._note_refresh(extension)
        return contact

    def _note_refresh(self, extension: str) -> None:
        self.keeping.registrations([extension])
        self._arm_expiry()

    def _tell_bindings(self, changes: Sequence[BindingChange]) -> None:
        self.nat.note(changes, self.loop.time())
        self.events.note(changes)
        self.keeping.registrations(change.binding.aor for change in changes)
        for change in changes:
            binding, at = change.binding, self.environment.wall()
            extension, contact = binding.aor, str(binding.contact)
            self.events.changed(extension)
            if change.change is Change.ADDED:
                agent = binding.user_agent
                self.happenings.tell(
                    ExtensionRegistered(at=at, extension=extension, contact=contact, user_agent=agent)
                )
                self.events.registered(binding)
            else:
                reason = Unregistration(change.change.value)
                self.happenings.tell(
                    ExtensionUnregistered(at=at, extension=extension, contact=contact, reason=reason)
                )
        self._arm_expiry()

    def unregister(self, number: str) -> None:
        """Forget the phones of an extension, which may register again if they still can."""
        self._tell_bindings(self.registrar.remove(number))

    def _on_flow_closed(self, flow: Flow) -> None:
        self._tell_bindings(self.registrar.flow_closed(flow))
        self.nat.flow_closed(flow, self.loop.time())
        self.trunks.flow_closed(flow)

    def _arm_expiry(self) -> None:
        """Wake up when the next binding expires; the timer is moved only when that is sooner."""
        if self._expiry is not None and self._expiry.when() <= self.registrar.deadlines.soonest:
            return
        due = self.registrar.next_deadline()
        if due is None or (self._expiry is not None and self._expiry.when() <= due):
            return
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = self.loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self._tell_bindings(self.registrar.expire(self.loop.time()))

    # -- what media tells -----------------------------------------------------------------------------------

    def _on_media_event(self, event: Event) -> None:
        legs = self.legs.by_stream
        if isinstance(event, StreamClosed):
            stream = event.stream
            leg = legs.get(stream) if self.media.tells_more_of(stream) else legs.pop(stream, None)
            if leg is not None:
                self._rate(leg, event)
        elif isinstance(event, WorkerLost):
            for stream in event.streams:
                self._lose(stream)
        elif not isinstance(event, _OF_NO_STREAM) and (leg := legs.get(event.stream)) is not None:
            self._hear(leg, event)
            if not self.media.tells_more_of(event.stream):  # such as what has become of its recording
                legs.pop(event.stream, None)

    def _hear(self, leg: Leg, event: StreamEvent) -> None:
        if isinstance(event, StreamReported):
            self.audio_watch.reported(leg, event.statistics)
        elif isinstance(event, StreamSilent):
            leg.check()
        elif isinstance(event, _FAILURES):
            if isinstance(event, StreamBroken):
                self._rate(leg, event)
            self._lose(event.stream)
        else:
            self.recordings.heard(leg, event)
            leg.on_media(event)

    def _rate(self, leg: Leg, event: StreamClosed | StreamBroken) -> None:
        """Tell how the leg of a stream sounded; where the call is not over yet, it tells that at its end."""
        plan, line, call_id = leg.plan, leg.line, leg.call_id
        if leg.stream != event.stream or plan is None or not line:  # a stream may be lent
            return
        quality = call_quality(self.environment.wall(), call_id, line, plan.codec, event.statistics)
        call = self.calls.get(call_id)
        if call is not None:
            call.qualities += (quality,)
        else:
            self.happenings.tell(quality)

    def _lose(self, stream: int) -> None:
        leg = self.legs.by_stream.get(stream)
        if leg is not None and leg.state is not ENDED:
            logger.error("the sound of a call of %s is gone, the call ends", leg.line)
            leg.fail(500)
        if not self.media.tells_more_of(stream):
            self.legs.by_stream.pop(stream, None)


def _registrar_settings(sip: Sip) -> RegistrarSettings:
    return RegistrarSettings(
        sip.min_expires, sip.max_expires, sip.max_expires, sip.max_contacts, EXPIRES_SPREAD
    )


def _endpoint_settings(sip: Sip) -> EndpointSettings:
    return EndpointSettings(
        Timers(sip.t1, sip.t2, sip.t4),
        methods=SERVED,
        reliable=sip.reliable_provisionals,
        session_timers=TimerSettings(sip.session_expires, sip.min_se),
    )


def _driver_settings(sip: Sip) -> DriverSettings:
    return DriverSettings(
        listen=sip.listen,
        udp_port=sip.udp_port or None,
        tcp_port=sip.tcp_port or None,
        tls_port=sip.tls_port if sip.tls else None,
        certificate=sip.certificate,
        key=sip.key,
        limits=Limits(idle_seconds=sip.max_expires + IDLE_MARGIN_SECONDS),
    )
