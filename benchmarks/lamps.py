"""What does it cost to tell 1000 lamps that the state of one extension has changed?

python -m benchmarks.lamps [--lamps 1000] [--rounds 7]

In this process and on one thread: the state is looked up and printed, every subscription gets its NOTIFY, and each
is sent through a UDP socket. Apart from that it shows what it costs to take their answers. The yardstick is to send
as many datagrams of the same bytes.
"""

from __future__ import annotations

import argparse
import gc
import socket
import statistics
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from benchmarks.harness import print_table
from myphone_api.server import COLLECT_AFTER
from sipcore.effects import Arrived, Effect, Transmit
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.events.dialog_info import DialogFact, DialogState, Party, print_dialogs
from sipcore.events.document import Printed
from sipcore.events.notifier import Notifier, NotifierSettings
from sipcore.registrar.gate import Admitted
from sipcore.syntax.message import Request, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport

SUBSCRIBE = """\
SUBSCRIBE sip:101@192.0.2.1 SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bK{number:x};rport\r
Max-Forwards: 70\r
From: <sip:200@192.0.2.1>;tag={number:x}f\r
To: <sip:101@192.0.2.1>\r
Call-ID: {number}@192.0.2.{host}\r
CSeq: 1 SUBSCRIBE\r
Contact: <sip:200@192.0.2.{host}:5060>\r
Event: dialog\r
Accept: application/dialog-info+xml\r
Expires: 3600\r
Content-Length: 0\r
\r
"""


class OpenGate:
    """Lets everybody in."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted:
        return Admitted(request.call_id)


class Calls:
    """The dialog package of one extension, whose call comes and goes."""

    event = "dialog"
    content_type = "application/dialog-info+xml"

    def __init__(self) -> None:
        self.dialogs: tuple[DialogFact, ...] = ()

    def resource(self, request: Request, identity: str) -> str:
        return request.uri.user or ""

    def state(self, resource: str) -> tuple[DialogFact, ...]:
        return self.dialogs

    def print(self, resource: str, host: str, state: Any, before: Any | None) -> Printed:
        return print_dialogs(resource, host, state, before)

    def change(self, round_number: int) -> None:
        """A call begins, or ends."""
        other, own = Party("100", "Lee Parker"), Party("101", "Richardson Bailey")
        call = DialogFact(str(round_number), DialogState.EARLY, False, own, other, "call", "there", "here")
        self.dialogs = () if self.dialogs else (call,)


class Station:
    """An endpoint whose lamps all watch one extension."""

    def __init__(self, lamps: int, out: socket.socket) -> None:
        self.endpoint = Endpoint(EndpointSettings(methods=(*METHODS, "SUBSCRIBE")), Random(1), OpenGate())
        self.calls = Calls()
        self.notifier = Notifier(self.endpoint, NotifierSettings(), [self.calls])
        self.now = 0.0
        self.sent: list[tuple[Flow, bytes]] = []
        self._out = out
        for number in range(lamps):
            host = 10 + number % 200
            flow = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address(f"192.0.2.{host}", 5060))
            data = SUBSCRIBE.format(number=number, host=host).encode()
            self.perform(self.endpoint.receive(parse_message(data), flow, self.now))

    def perform(self, effects: list[Effect]) -> None:
        """As the driver does."""
        for effect in effects:
            if type(effect) is Transmit:
                self._out.send(effect.data)
                self.sent.append((effect.flow, effect.data))
            elif isinstance(effect, Arrived):
                self.perform(self.notifier.subscribe(effect, self.now))

    def answers(self) -> list[tuple[Flow, bytes]]:
        """What phones answer to the NOTIFYs that were sent."""
        sent, self.sent = self.sent, []
        notifies = [(flow, parse_message(data)) for flow, data in sent if data.startswith(b"NOTIFY")]
        return [
            (flow, response_to(each, 200).to_bytes()) for flow, each in notifies if isinstance(each, Request)
        ]

    def take(self, answers: list[tuple[Flow, bytes]]) -> None:
        """Take them."""
        for flow, data in answers:
            self.perform(self.endpoint.receive(parse_message(data), flow, self.now))


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def send_all(out: socket.socket, datagrams: list[bytes]) -> None:
    """The yardstick."""
    for data in datagrams:
        out.send(data)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lamps", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    gc.freeze()  # as the server does
    gc.set_threshold(COLLECT_AFTER)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sink.bind(("127.0.0.1", 0))  # what it does not read is dropped, at the same cost for the sender
        out.connect(sink.getsockname())
        station = Station(options.lamps, out)
        station.take(station.answers())
        telling, taking, yardsticks = [], [], []
        size = 0
        for number in range(options.rounds):
            station.now += 40.0
            station.perform(station.endpoint.tick(station.now))
            station.calls.change(number)
            telling.append(
                seconds(lambda: station.perform(station.notifier.changed("dialog", "101", station.now)))
            )
            bodies = [data for _, data in station.sent]
            assert len(bodies) == options.lamps
            size = len(bodies[0])
            yardsticks.append(seconds(partial(send_all, out, bodies)))
            taking.append(seconds(partial(station.take, station.answers())))
    yardstick = statistics.median(yardsticks)
    rows = [("send as many datagrams (yardstick)", f"{yardstick * 1e3:.1f} ms")]
    for name, figures in (("tell all of a change", telling), ("take their answers", taking)):
        figure = statistics.median(figures)
        rows.append((name, f"{figure * 1e3:.1f} ms, {figure / yardstick:.1f} yardsticks"))
    print_table(f"{options.lamps} lamps of one extension, NOTIFYs of {size} bytes", rows)


if __name__ == "__main__":
    main()
