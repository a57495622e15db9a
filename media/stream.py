"""One RTP stream: both directions of a phone's sound (RFC 3550), with its reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from media import rtcp, rtp
from media.alarms import Alarms
from media.codecs import g711
from media.dtmf import DIGIT_FRAMES, EventPacket, EventReceiver, event_packets, rescaled, tone_frames
from media.latch import Latch
from media.messages import Statistics
from media.plan import G711, Address, Codec, StreamPlan
from media.ports import PortPair
from media.recorder import Recorder
from media.recordings import Recordings
from media.route import Route
from media.rtp import HEADER_BYTES, RtpPacket, RtpReceiver, RtpSender, parse_rtp, plain_start, unpack_header
from media.signs import SignsOfLife
from media.statistics import statistics_of
from media.ticker import Ticker
from media.vigil import LOOK_SECONDS, Vigil

if TYPE_CHECKING:
    from media.in_band import Ear
    from media.plan import SrtpKeys
    from media.room import Party
    from media.srtp import Srtp
    from media.transcode import Speaker, Transcoder

logger = logging.getLogger(__name__)

MAX_DIGITS_QUEUED = 64
"""Digits of 200 ms each that may wait to be sent."""

MAX_MISORDER = 128
"""A packet that is so far behind comes late no more, and SRTP does not send it (RFC 3711 section 3.3.2)."""

FrameSource = Callable[[], bytes | None]
"""Gives 20 ms of PCM at 8 kHz a call, and None at its end."""
Tell = Callable[..., None]
"""(kind, stream, facts ...)"""


class Stream:
    """What comes from one peer goes to the partner, to the recorder, or nowhere; what goes to it comes from the
    partner or from a frame source."""

    party: Party | None
    """This stream in a conference room."""
    recordings: Recordings | None
    """Once there has been one."""
    _partner: Stream | None
    _listeners: tuple[Stream, ...]
    """Streams that have this one for their partner."""
    _route: Route | None
    """The way of most packets to the only listener. What changes anything about it has to call `stand_apart`."""
    _source: FrameSource | None
    _transcoder: Transcoder | None
    """Of the partner's sound into ours, where tables do not serve."""
    _vigil: Vigil | None
    _report_at: float
    """0: it is not known yet."""
    _rests: bool
    """Whether nothing is looked at until then, as long as a carrier passes its packets on."""
    # Of the class as long as nothing unusual comes; what each sets is set at once, before others take the room for it:
    _party_start = -1
    """How packets begin that are for the room just as they are; -1: none, as the music of one who holds."""
    listened_to = False
    """Whether somebody wants to know of digits in its sound."""
    _ear: Ear | None = None
    _transcoded: tuple[Codec, Codec] | None = None
    _speaker: Speaker | None = None
    """Of what is played, if not in G.711."""
    _source_ended: Callable[[], None] | None = None
    _close_source: Callable[[], None] | None = None
    _events: EventReceiver
    """Of the source of events, once there is one."""
    _events_source: int | None = None
    _missed_event: int | None = None
    """Timestamp of a telephone-event that is not passed on, since its begin was not."""
    _digits: Iterator[list[EventPacket] | bytes] | None = None
    """Of digits to send: telephone-events or sound, 20 ms each."""
    _digits_queued = 0
    """How many have been asked for since none were left to send."""
    _talkspurt = True
    """Whether the next packet of our own begins a talkspurt: it gets the marker."""
    _reported_packets = 0
    _sent_before = 0
    """Packets of other SSRCs of ours, under keys that we have no more."""
    _srtp: Srtp | None = None
    _secured = False
    """Whether packets travel under the keys of `_srtp`, which else only remembers what it has counted."""

    def __init__(
        self,
        stream_id: int,
        ports: PortPair,
        plan: StreamPlan,
        random: Random,
        ticker: Ticker,
        alarms: Alarms,
        tell: Tell,
    ) -> None:
        self.id, self.ports, self.plan = stream_id, ports, plan
        self._random, self._ticker, self._report_at, self._rests = random, ticker, 0.0, False
        self._alarms, self._tell, self._now = alarms, tell, alarms.now
        self.party = self.recordings = self._partner = self._route = self._source = self._transcoder = None
        self._listeners, self._send, self._vigil = (), ports.rtp.send, None
        self._latch, self._signs = Latch(plan), SignsOfLife()
        self.sender, self.receiver = RtpSender(random), RtpReceiver(plan.codec.clock_rate)
        ports.rtp.receive, ports.rtcp.receive = self._receive, self._receive_report
        if plan.srtp is not None:
            self._secure(plan.srtp)
        self._alarm = alarms.rows[LOOK_SECONDS].set(self._look)

    # -- in a room --------------------------------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Whether all that it does is to give its room each packet, and to hear the room and nothing else. What changes
        that has to call `stand_apart` before."""
        return not (
            self._party_start < 0
            or self._latch.locked is None
            or self._talkspurt
            or self._secured
            or self._source is not None
            or self._digits is not None
            or self._partner is not None
            or self.ear is not None
            or self.recordings
            or self._listeners
        )

    def join(self, party: Party) -> None:
        """Be this party of a room from now on."""
        self.stand_apart()
        self.party, plan = party, self.plan
        self._party_start = plain_start(plan.receive_payload_type) if plan.talks else -1

    def stand_apart(self) -> None:
        """What can be done with its packets in short may change now."""
        if self._route is not None:
            self._take(None)
        if self._partner is not None and self._partner._route is not None:
            self._partner._take(None)
        if self.party is not None and self.party.batch is not None:
            self.party.batch.dismiss(self.party.row)

    @property
    def ear(self) -> Ear | None:
        """Where digits are looked for in its sound."""
        return self._ear

    @ear.setter
    def ear(self, ear: Ear | None) -> None:
        self.stand_apart()
        self._ear = ear

    # -- verbs ----------------------------------------------------------------------------------------

    def change(self, plan: StreamPlan) -> None:
        """Carry on under another plan."""
        self.stand_apart()
        if plan.codec is not self.plan.codec:
            self.receiver.change_clock(plan.codec.clock_rate)
            self._speaker = None
        if plan.srtp != self.plan.srtp:
            self._secure(plan.srtp)
        self.plan = plan
        if self.party is not None:
            self.join(self.party)
        if self._latch.change(plan):
            try:
                self.ports.rtp.disconnect()
            except OSError as error:
                logger.warning("nothing can be heard at port %d any more: %s", self.ports.port, error)

    def bridge(self, partner: Stream) -> None:
        """Hear the partner's sound from now on (its own, for an echo)."""
        self.stand_apart()
        self.quiet()
        self._partner = partner
        partner.stand_apart()
        partner._listeners += (self,)

    def play(
        self,
        source: FrameSource,
        ended: Callable[[], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Hear a frame source from now on."""
        self.stand_apart()
        self.quiet()
        self._source, self._source_ended, self._close_source = source, ended, close
        self._talkspurt = True
        self._ticker.add(self.id, self._tick)

    def quiet(self) -> None:
        """Hear nothing."""
        if (partner := self._partner) is not None:
            partner._take(None)
            others = partner._listeners
            partner._listeners = () if len(others) == 1 else tuple(each for each in others if each is not self)
            self._partner = self._transcoder = None
        if self._source is not None:
            if self._close_source is not None:
                self._close_source()
            self._source = self._source_ended = self._close_source = None

    def record(self, recorder: Recorder) -> None:
        """Write down what comes in, or both directions."""
        self.stand_apart()
        if self.recordings is None:
            self.recordings = Recordings(self.id, self._tell)
        self.recordings.add(recorder)
        self._ticker.add(self.id, self._tick)

    def send_digits(self, digits: str) -> None:
        """Send digits after those that are still being sent: telephone-events, or tones to a peer that takes none.

        Raises ValueError for what is no digit; drops what would keep the peer from hearing anything else for long.
        """
        if self._digits is None:
            self._digits_queued = 0
        if self._digits_queued + len(digits) > MAX_DIGITS_QUEUED:  # they come faster than they can sound
            return
        more: Iterator[list[EventPacket] | bytes]
        as_tones, before = self.plan.dtmf_send_payload_type is None, self._digits
        more = tone_frames(digits) if as_tones else event_packets(digits, self.plan.dtmf_clock_rate // 50)
        self._digits_queued += len(digits)
        self.stand_apart()
        self._digits = more if before is None else chain(before, more)
        self._ticker.add(self.id, self._tick)

    def close(self) -> Statistics:
        """End the stream, with a BYE to the peer."""
        self._alarms.cancel(self._alarm)
        self._rests = False  # whoever gives its route back now has nothing to set anew
        self._ticker.remove(self.id)
        self.quiet()
        for listener in self._listeners:
            listener.quiet()
        if self.recordings is not None:
            self.recordings.close()
        if self.sender.packets or self.receiver.packets:
            self._send_report(bye=True)
        if self._secured:  # what secures would hold the stream until a garbage collection
            self._send = self.ports.rtp.send
        return self.statistics()

    # -- packets that come ------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """A datagram of the peer to whom the port is locked, which somebody else has read at `now` (seconds)."""
        if self._latch.locked is not None:
            self._receive(data, self._latch.locked, now)

    def _receive(self, data: bytes, source: Address, now: float | None = None) -> None:
        if HEADER_BYTES < len(data) <= rtp.MAX_PACKET_BYTES and source == self._latch.locked:  # mostly
            start, sequence, timestamp, ssrc = unpack_header(data)
            party = self.party
            if (
                party is not None
                and start == self._party_start
                and not (self.recordings or self._listeners or self._ear)
            ):
                now = self._now() if now is None else now
                self.receiver.count(sequence, timestamp, ssrc, now)
                party.put(sequence, timestamp, ssrc, data[HEADER_BYTES:], now)
                return
        plan = self.plan
        packet = parse_rtp(data)
        latch = self._latch
        if packet is None or packet.payload_type not in (
            plan.receive_payload_type,
            plan.dtmf_receive_payload_type,
        ):
            self._note_odd(packet, source)
            return
        now = self._now() if now is None else now
        if source != latch.locked:
            resumes = latch.doubted and self._watch().resumes(packet, self._heard())
            if not latch.admit(source, now, resumes=resumes):
                return
            if latch.locked is not None:
                self.stand_apart()
                self.ports.rtp.connect(source)
                self._tell("latched", self.id, source)
        self.receiver.note(packet, now)
        if not plan.direction.receives:
            return
        is_event = packet.payload_type != plan.receive_payload_type
        if self.recordings:
            self.recordings.said(packet._replace(payload=b"") if is_event else packet, plan.codec, now)
        if is_event:
            self._receive_event(packet)
        else:
            if self.party is not None and not plan.holds:  # the music of one who holds is not for the others
                self.party.put(packet.sequence, packet.timestamp, packet.ssrc, packet.payload, now)
            if self._ear is not None:
                self._ear.put(packet, now)
        for listener in self._listeners:
            listener.relay(packet, self)
            if self._route is None and not is_event:
                self._take(self._route_to(listener))

    def _take(self, route: Route | None) -> None:
        """Let packets take a route; None: they take the long way."""
        if route is not self._route:
            if self._route is not None:
                self._route.take_back()
            self._route = route
            if not self._secured:
                self.ports.rtp.receive = self._receive if route is None else route

    def _route_to(self, listener: Stream) -> Route | None:
        """How packets of sound get to a listener, if it takes no more than a new header, and nobody else hears them."""
        theirs, ours = self.plan.codec, listener.plan.codec
        source, remote = self._latch.locked, listener._latch.locked
        special = self.party or self._ear or self.recordings
        if special or len(self._listeners) > 1 or listener.recordings or listener._digits is not None:
            return None
        flows = self.plan.direction.receives and listener.plan.direction.sends
        if source is None or remote is None or not flows:
            return None
        if theirs is not ours and (theirs, ours) not in g711.TRANSLATE:
            return None
        return Route(
            source,
            plain_start(self.plan.receive_payload_type),
            self.receiver,
            listener.sender,
            plain_start(listener.plan.send_payload_type),
            listener._send,
            remote,
            table=None if theirs is ours else g711.TRANSLATE[theirs, ours],
            otherwise=self._receive,
            origin=self,
            now=self._now,
        )

    def _note_odd(self, packet: RtpPacket | None, source: Address) -> None:
        """Count a packet that is no sound of this stream; one of the peer still says that there is a way."""
        self._latch.strangers += 1
        if packet is not None and source[0] in self.plan.trusted_hosts:
            self._signs.packet(packet.payload_type)

    def relay(self, packet: RtpPacket, origin: Stream) -> None:
        """Send the peer a packet of another stream: header and codec become ours."""
        plan = self.plan
        remote = self._latch.remote
        if remote is None or not plan.direction.sends:
            return
        theirs, ours = origin.plan.codec, plan.codec
        if self.recordings:
            is_event = packet.payload_type != origin.plan.receive_payload_type
            sent = packet._replace(payload=b"") if is_event else packet
            self.recordings.told(sent, theirs, self._now())
        transcoder = None
        if theirs is not ours and (theirs, ours) not in g711.TRANSLATE:
            transcoder = self._transcoder_of(theirs, ours)
        payload = packet.payload
        if packet.payload_type == origin.plan.receive_payload_type:
            if self._digits is not None:
                return
            payload_type = plan.send_payload_type
            if transcoder is not None:
                if not transcoder.pace.admits(payload, self._now()):
                    return
                for made in transcoder.sound(packet):
                    data = self.sender.relayed(made, payload_type, made.payload, ours.frame_ticks)
                    self._send(data, remote)
                return
            if theirs is not ours:
                payload = payload.translate(g711.TRANSLATE[theirs, ours])
        elif plan.dtmf_send_payload_type is not None:
            if self._digits is not None:
                self._missed_event = packet.timestamp
            if packet.timestamp == self._missed_event:
                return
            payload_type = plan.dtmf_send_payload_type
            payload = rescaled(payload, origin.plan.dtmf_clock_rate, plan.dtmf_clock_rate)
            if transcoder is not None:
                packet = transcoder.event(packet)
        else:
            return  # whoever takes no events was sent tones
        self._send(self.sender.relayed(packet, payload_type, payload, ours.frame_ticks), remote)

    def _transcoder_of(self, theirs: Codec, ours: Codec) -> Transcoder:
        if self._transcoder is None or self._transcoded != (theirs, ours):
            from media.transcode import Transcoder

            self._transcoder, self._transcoded = Transcoder(theirs, ours), (theirs, ours)
            self.sender.change_source()
        return self._transcoder

    @property
    def takes_payloads(self) -> bool:
        """Whether the peer listens, and hears nothing else just now."""
        nothing_else = self._source is None and self._digits is None
        return nothing_else and self.plan.direction.sends and self._latch.remote is not None

    def send_payload(self, payload: bytes | memoryview) -> None:
        """Send the peer 20 ms of sound in its codec, unless it hears something else just now."""
        if self._source is None and self._digits is None:
            self._send_sound(payload)

    def _receive_event(self, packet: RtpPacket) -> None:
        if packet.ssrc != self._events_source:  # its timestamps have nothing to do with those before
            self._events_source, self._events = packet.ssrc, EventReceiver()
        ticks_per_ms = self.plan.dtmf_clock_rate // 1000
        for digit, duration, ended in self._events.receive(packet.timestamp, packet.payload):
            self._tell("digit ended" if ended else "digit", self.id, digit, duration // ticks_per_ms)
            for listener in self._listeners:
                if not ended and listener.plan.dtmf_send_payload_type is None:
                    listener.send_digits(digit)

    # -- packets of our own -----------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._digits is not None:
            self._send_digit_frame()
        elif self._source is not None:
            self._send_frame(self._source())
        if self.recordings is not None:
            self.recordings.tick(self._now())
        if self._digits is None and self._source is None and not self.recordings:
            self._ticker.remove(self.id)

    def _send_frame(self, pcm: bytes | None) -> None:
        if pcm is None:
            ended = self._source_ended
            self.quiet()
            if ended is not None:
                ended()
            return
        self._send_sound(self._encoded(pcm))

    def _encoded(self, pcm: bytes) -> bytes:
        if self.plan.codec in G711:
            return g711.encode(self.plan.codec, pcm)
        if self._speaker is None:
            from media.transcode import Speaker

            self._speaker = Speaker(self.plan.codec)
        return self._speaker.say_pcm(pcm)

    def _send_sound(self, payload: bytes | memoryview) -> None:
        plan = self.plan
        remote = self._latch.remote
        if remote is not None and plan.direction.sends:
            data = self.sender.packet(plan.send_payload_type, payload, plan.codec.frame_ticks, self._talkspurt)
            self._talkspurt = False
            self._send(data, remote)
            if self.recordings:
                packet = parse_rtp(data)
                assert packet is not None
                self.recordings.told(packet, plan.codec, self._now())

    def _send_digit_frame(self) -> None:
        assert self._digits is not None
        packets = next(self._digits, None)
        remote, payload_type = self._latch.remote, self.plan.dtmf_send_payload_type
        ticks = self.plan.codec.frame_ticks
        if packets is None:
            self._digits = None
            return
        if isinstance(packets, bytes):
            self._send_sound(self._encoded(packets))
            return
        for packet in packets:
            if remote is not None and payload_type is not None:
                data = self.sender.packet(payload_type, packet.payload, ticks, packet.begins, not packet.begins)
                self._send(data, remote)
        # A digit has the timestamp of its begin; what follows has the time that has passed (RFC 4733 section 2.2.1).
        frames = (DIGIT_FRAMES - 1 if packets[0].ends else 0) if packets else 1
        self.sender.skip(frames * ticks)

    # -- SRTP -------------------------------------------------------------------------------------------

    def _secure(self, keys: SrtpKeys | None) -> None:
        """From now on packets travel under these keys, or in the clear."""
        before, self._secured = self._secured, keys is not None
        if keys is None:
            self.ports.rtp.receive, self._send = self._receive, self.ports.rtp.send
            return
        if self._srtp is None:
            from media.srtp import Srtp

            self._srtp, renewed = Srtp(keys), True
        else:
            receiver = self.receiver
            heard = None if receiver.ssrc is None else (receiver.ssrc, receiver.highest_sequence)
            renewed = self._srtp.change(keys, heard) or not before
        if renewed:  # as another SSRC there is no doubt about the rollover counter (RFC 3711 section 3.3.1)
            self._sent_before += self.sender.packets
            self._reported_packets = 0
            self.sender = RtpSender(self._random)
        self.ports.rtp.receive, self._send = self._receive_secured, self._send_secured

    def _receive_secured(self, data: bytes, source: Address) -> None:
        assert self._srtp is not None
        plain = self._srtp.unprotect(data)
        if plain is not None:
            (self._receive if self._route is None else self._route)(plain, source)

    def _send_secured(self, data: bytes, remote: Address) -> None:
        assert self._srtp is not None
        secured = self._srtp.protect(data)
        if secured is not None:
            self.ports.rtp.send(secured, remote)
        elif self.sender.sequence - int.from_bytes(data[2:4], "big") & 0xFFFF > MAX_MISORDER:
            self.sender.change_source()  # whoever is relayed numbers anew; else it came twice, and goes out once

    # -- reports ----------------------------------------------------------------------------------------

    def _heard(self) -> int:
        """Packets of the peer."""
        return self.receiver.packets + (0 if self._route is None else self._route.passed_on_elsewhere)

    def _watch(self) -> Vigil:
        if self._vigil is None:  # it is a second since the stream began, or the peer is heard just now
            since = self._now() - LOOK_SECONDS
            self._vigil = Vigil(self._latch, self.receiver, self.ports.rtp, self._now, since)
        return self._vigil

    def _take_books(self) -> None:
        """Learn what was sent and received together with others."""
        for stream in (self, self._partner):
            if stream is not None and stream._route is not None:
                stream._route.write_books()
        if self.party is not None and self.party.batch is not None:
            self.party.batch.write_books(self.party.row)

    def returned(self, *, silent: bool) -> None:
        """Its packets are passed on by its own route again; `silent`: since none have come for a second."""
        if self._rests:
            self._alarms.cancel(self._alarm)
            self._rests, self._alarm = False, self._alarms.rows[LOOK_SECONDS].set(self._look)
            self._watch().resume(self._heard(), 1 if silent else 0)

    def _look(self) -> None:
        """Every second, or when it is time for a report if somebody else sees whether the peer is still heard."""
        now = self._now()
        begun = now if self._report_at else now - LOOK_SECONDS  # the latter: the stream is a second old
        reports = 0.0 < self._report_at <= now
        if reports or not self._report_at:
            self._report_at = begun + rtcp.next_interval(self._random)
        self._rests = self._route is not None and self._route.is_carried
        if self._rests:
            self._alarm = self._alarms.set(rtcp.together(self._report_at) - now, self._look)
        else:
            self._alarm = self._alarms.rows[LOOK_SECONDS].set(self._look)
            in_batch = self.party is not None and self.party.batch is not None  # who falls silent leaves there
            if self._watch().look(self._heard(), flowing=in_batch):
                self._tell("silent", self.id)
        if reports and (self.sender.packets or self.receiver.packets):
            self._take_books()
            self._send_report()

    def _send_report(self, *, bye: bool = False) -> None:
        remote = self._latch.remote_rtcp
        if remote is None:
            return
        sending = self.sender.packets > self._reported_packets
        self._reported_packets = self.sender.packets
        cname, heard = f"{self.sender.ssrc:08x}@myphone", self._signs.heard_report
        data = rtcp.build_report(self.sender, self.receiver, cname, self._now(), heard, sending=sending, bye=bye)
        secured = self._srtp.protect_rtcp(data) if self._srtp is not None and self._secured else data
        if secured is not None:
            self.ports.rtcp.send(secured, remote)

    def _receive_report(self, data: bytes, source: Address) -> None:
        self._take_books()
        if self._srtp is not None and self._secured:
            plain = self._srtp.unprotect_rtcp(data)
            if plain is None:
                return
            data = plain
        report = rtcp.parse_report(data)
        if report is None or source[0] not in self.plan.trusted_hosts:
            self._latch.strangers += 1
            return
        now = self._now()
        self._watch().heard()
        self._signs.report(report, self.sender.ssrc, self.sender.packets, now)

    def statistics(self) -> Statistics:
        """How the stream goes."""
        if self.sender.packets or self.receiver.packets:  # else nobody passes anything on
            self._take_books()
        sent, clock_rate = self._sent_before + self.sender.packets, self.plan.codec.clock_rate
        return statistics_of(self.receiver, sent, self._latch, self._signs, clock_rate, self._srtp)
