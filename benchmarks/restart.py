"""After a restart all phones come back at once, each with its lamps: what does that cost, and is everybody served?

python -m benchmarks.restart [--phones 500] [--lamps 10]

Every phone registers (REGISTER, 401, REGISTER, 200), then subscribes to the lamps one after another with the nonce that
it has, and answers the NOTIFYs. All begin in the same instant and repeat what is not answered, as RFC 3261 has it.
"""

from __future__ import annotations

import argparse
import heapq
import re
import selectors
import socket
import time
from collections import Counter

from benchmarks.harness import Server, cpu_seconds, password_of, print_table, server, udp_yardstick
from benchmarks.load import md5

FIRST = 1000
PHONES_PER_ADDRESS = 40
T1, T2 = 0.5, 4.0
GIVE_UP_SECONDS = 32.0
_STATUS = re.compile(rb"SIP/2\.0 ([0-9]{3})")
_CALL_ID = re.compile(rb"\r\nCall-ID: *([^\r]+)", re.IGNORECASE)
_CSEQ = re.compile(rb"\r\nCSeq: *([0-9]+) ([A-Z]+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nRetry-After: *([0-9]+)", re.IGNORECASE)
_NONCE = re.compile(rb'algorithm=MD5[^\r]*?nonce="([^"]+)"')
_COPIED = re.compile(rb"\r\n((?:Via|From|To|Call-ID|CSeq):[^\r]*)", re.IGNORECASE)


class Desk:
    """One phone: what it still has to ask for, and the request that waits for its answer."""

    def __init__(
        self, number: int, numbers: range, lamps: int, local: tuple[str, int], remote: tuple[str, int]
    ) -> None:
        self.number = number
        self.watched = [numbers[(number - FIRST + 1 + index) % len(numbers)] for index in range(lamps)]
        self.local, self.remote = f"{local[0]}:{local[1]}", f"{remote[0]}:{remote[1]}"
        self.asked = -1
        """-1: the registration; then which lamp."""
        self.cseq = self.count = 0
        self.nonce = ""
        self.request = b""

    @property
    def done(self) -> bool:
        """Whether it has all it wants."""
        return self.asked >= len(self.watched)

    def next_request(self) -> bytes:
        """The next thing to ask for, or the same again with credentials."""
        method = "REGISTER" if self.asked < 0 else "SUBSCRIBE"
        user = self.number if self.asked < 0 else self.watched[self.asked]
        uri = f"sip:{self.remote}" if self.asked < 0 else f"sip:{user}@{self.remote}"
        self.cseq += 1
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.local};branch=z9hG4bK{self.number}x{self.cseq};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.number}@{self.remote}>;tag=f{self.number}",
            f"To: <sip:{user}@{self.remote}>",
            f"Call-ID: {self.number}-{self.asked}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{self.number}@{self.local};phone={self.number}>",
            "Expires: 3600",
            *(["Event: dialog", "Accept: application/dialog-info+xml"] if self.asked >= 0 else []),
            *([self._authorization(method, uri)] if self.nonce else []),
            "Content-Length: 0",
        ]
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        return self.request

    def _authorization(self, method: str, uri: str) -> str:
        self.count += 1
        first = md5(f"{self.number}:myphone:{password_of(self.number)}")
        count = f"{self.count:08x}"
        response = md5(f"{first}:{self.nonce}:{count}:c:auth:{md5(f'{method}:{uri}')}")
        return (
            f'Authorization: Digest username="{self.number}", realm="myphone", nonce="{self.nonce}", uri="{uri}", '
            f'algorithm=MD5, qop=auth, nc={count}, cnonce="c", response="{response}"'
        )

    def take(self, status: int, message: bytes) -> bytes | None:
        """A final response to the request; what to send next, if anything."""
        if status == 401:
            nonce = _NONCE.search(message)
            assert nonce is not None, message
            self.nonce, self.count = nonce[1].decode(), 0
            return self.next_request()
        self.asked += 1
        return None if self.done else self.next_request()


class Office:
    """All phones, on some sockets."""

    def __init__(self, running: Server, phones: int, lamps: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.notifies = self.repeated = self.unanswered = 0
        self._selector = selectors.DefaultSelector()
        self._desks: dict[int, tuple[Desk, socket.socket]] = {}
        self._timers: list[tuple[float, int, int, float, float]] = []
        """(when, number, CSeq, interval, since)."""
        self._turned_away: list[tuple[float, int]] = []
        """(when to come again, number)."""
        numbers = range(FIRST, FIRST + phones)
        for index, number in enumerate(numbers):
            if index % PHONES_PER_ADDRESS == 0:  # one source is only let through so fast
                place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                place.bind((f"127.1.{index // PHONES_PER_ADDRESS}.1", 0))
                place.setblocking(False)
                self._selector.register(place, selectors.EVENT_READ)
            self._desks[number] = Desk(number, numbers, lamps, place.getsockname(), running.address), place
        self._remote = running.address

    def come_back(self) -> float:
        """Everybody at once; the seconds until the last is served."""
        began = time.monotonic()
        for desk, place in self._desks.values():
            self._send(desk, place, desk.next_request())
        waiting = set(self._desks)
        while waiting and time.monotonic() - began < 300:
            dues = [heap[0][0] for heap in (self._timers, self._turned_away) if heap]
            timeout = max(0.0, min(dues, default=0.1) - time.monotonic())
            for key, _ in self._selector.select(timeout):
                self._drain(key.fileobj, waiting)  # type: ignore[arg-type]
            self._repeat(waiting)
            while self._turned_away and self._turned_away[0][0] <= time.monotonic():
                desk, place = self._desks[heapq.heappop(self._turned_away)[1]]
                self._send(desk, place, desk.next_request())
        return time.monotonic() - began

    def close(self) -> None:
        """Release the sockets."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _send(self, desk: Desk, place: socket.socket, request: bytes) -> None:
        place.sendto(request, self._remote)
        now = time.monotonic()
        heapq.heappush(self._timers, (now + T1, desk.number, desk.cseq, T1, now))

    def _repeat(self, waiting: set[int]) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, number, cseq, interval, since = heapq.heappop(self._timers)
            desk, place = self._desks[number]
            if desk.done or desk.cseq != cseq:
                continue
            if now - since > GIVE_UP_SECONDS:
                self.unanswered += 1
                waiting.discard(number)
                continue
            self.repeated += 1
            place.sendto(desk.request, self._remote)
            interval = min(2 * interval, T2)
            heapq.heappush(self._timers, (now + interval, number, cseq, interval, since))

    def _drain(self, place: socket.socket, waiting: set[int]) -> None:
        for _ in range(64):
            try:
                message = place.recv(65535)
            except BlockingIOError:
                return
            status, call_id = _STATUS.match(message), _CALL_ID.search(message)
            assert call_id is not None, message
            if status is None:
                self.notifies += 1
                copied = b"\r\n".join(_COPIED.findall(message))
                place.sendto(b"SIP/2.0 200 OK\r\n" + copied + b"\r\nContent-Length: 0\r\n\r\n", self._remote)
                continue
            cseq = _CSEQ.search(message)
            desk, _ = self._desks[int(call_id[1].partition(b"-")[0])]
            if cseq is None or int(cseq[1]) != desk.cseq or desk.done:
                continue  # of a repetition
            self.statuses[int(status[1])] += 1
            retry = _RETRY_AFTER.search(message)
            if status[1] == b"503" and retry is not None:
                desk.cseq += 1  # what is still repeated of it is of no interest
                heapq.heappush(self._turned_away, (time.monotonic() + int(retry[1]), desk.number))
                continue
            request = desk.take(int(status[1]), message)
            if request is not None:
                self._send(desk, place, request)
            else:
                waiting.discard(desk.number)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phones", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--lamps", type=int, default=10, help="of each (default: %(default)s)")
    options = parser.parse_args()
    yardstick = udp_yardstick()
    with server(range(FIRST, FIRST + options.phones), workers=0) as running:
        office = Office(running, options.phones, options.lamps)
        before = cpu_seconds(running.pid)
        seconds = office.come_back()
        cpu = cpu_seconds(running.pid) - before
        failed = sum(count for status, count in office.statuses.items() if status not in (200, 401, 503))
        messages = sum(office.statuses.values()) + office.notifies
        print_table(
            f"{options.phones} phones with {options.lamps} lamps each come back at once",
            [
                ("CPU of the server", f"{cpu:.1f} s, {cpu / options.phones * 1e3:.1f} ms a phone"),
                ("ratio to bare UDP, a request or NOTIFY", f"{cpu / messages / yardstick:.1f}"),
                ("until the last is served", f"{seconds:.1f} s on the clock"),
                ("requests answered 200", str(office.statuses[200])),
                ("challenges", str(office.statuses[401])),
                ("asked to come later", str(office.statuses[503])),
                ("NOTIFYs", str(office.notifies)),
                ("requests that failed", str(failed + office.unanswered)),
                ("requests repeated", str(office.repeated)),
            ],
        )
        office.close()


if __name__ == "__main__":
    main()
