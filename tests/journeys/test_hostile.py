"""A whole running system among strangers: whatever they send, the next phone is served, and nothing is lost."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Self, cast

import pytest

from sipcore.registrar.digest import answer_challenge
from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.framing import StreamFramer
from tests.hostile import SPANNERS, mutated, valid
from tests.journeys.commands import PATIENCE, Command, new_certificate

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads /proc, and needs all of 127.0.0.0/8 on the loopback interface"
)

PORT, TLS_PORT = 5060, 5061
PASSWORD = "correct horse"
MORE_MEBIBYTES = 64
"""What the process may grow by in one test: far less than it would by keeping what it was sent."""
CONNECTIONS_PER_SOURCE = 100
METHODS = (
    *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER"),
    *("REGISTER", "SUBSCRIBE", "UPDATE", "FOO"),
)

CONFIGURATION = """
[sip]
listen = "{host}"
certificate = "pbx.crt"
key = "pbx.key"
[media]
workers = 0
port_range = [20000, 20099]
[[extensions]]
number = "100"
password = "{password}"
[[extensions]]
number = "101"
password = "{password}"
sip_id = "boss"
"""

numbers = count(1)
"""Tells requests apart."""


# -- the system under test -------------------------------------------------------------------------


class Victim:
    """A running `myphone serve` with UDP, TCP and TLS, and addresses to come from."""

    def __init__(self, folder: Path, addresses: Iterator[str]) -> None:
        self.host = next(addresses)
        self._addresses = addresses
        new_certificate(folder, self.host)
        text = CONFIGURATION.format(host=self.host, password=PASSWORD)
        (folder / "myphone.toml").write_text(text)
        self.process = Command("serve", "--config", folder / "myphone.toml", "--log-level", "error")
        self.trusted = ssl.create_default_context(cafile=folder / "ca.crt")
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            assert self.process.runs, self.process.end()
            assert time.monotonic() < deadline, "it does not start"
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, TLS_PORT)).close()  # the last that it opens
        except ConnectionRefusedError:
            return False
        return True

    def stranger(self) -> str:
        """An address that nobody has come from yet."""
        return next(self._addresses)

    def memory(self) -> int:
        """Resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) // 1024

    def stop(self, *, logged: str = "") -> None:
        """Ends as if nothing had happened: exit code 0, and the only errors that were logged are `logged`."""
        self.process.signal(signal.SIGTERM)
        exit_code, _, errors = self.process.end()
        assert (exit_code, [line for line in errors.splitlines() if not logged or logged not in line]) == (
            0,
            [],
        )
        with socket.create_server((self.host, PORT)), socket.create_server((self.host, TLS_PORT)):
            pass


@contextlib.contextmanager
def running(folder: Path, addresses: Iterator[str]) -> Iterator[Victim]:
    victim = Victim(folder, addresses)
    try:
        yield victim
    finally:
        victim.process.kill()


@pytest.fixture(scope="module")
def victim(addresses: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))  # the child inherits it
    with running(tmp_path_factory.mktemp("victim"), addresses) as victim:
        yield victim
        victim.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def unharmed(victim: Victim) -> Iterator[None]:
    """After each test the system serves others over every transport, lives, and has not grown."""
    before = victim.memory()
    yield
    with Datagrams(victim, victim.stranger()) as udp:
        assert udp.answered() == 401
    with Connection(victim, victim.stranger()) as tcp:
        assert tcp.answered() == 401
    with Connection(victim, victim.stranger(), tls=True) as tls:
        assert tls.answered() == 401
    assert victim.process.runs
    assert victim.memory() < before + MORE_MEBIBYTES


# -- strangers -------------------------------------------------------------------------------------


def request(
    method: str,
    host: str,
    *,
    transport: str = "UDP",
    user: str = "100",
    to: str | None = None,
    tag: str = "",
    headers: Iterable[str] = (),
) -> bytes:
    """A request that is like no other before it."""
    number = next(numbers)
    lines = [
        f"{method} sip:{to or 'pbx'} SIP/2.0",
        f"Via: SIP/2.0/{transport} {host};branch=z9hG4bK{number};rport",
        "Max-Forwards: 70",
        f"From: <sip:{user}@pbx>;tag=f{number}",
        f"To: <sip:{to or user + '@pbx'}>{tag}",
        f"Call-ID: {number}@{host}",
        f"CSeq: {number} {method}",
        f"Contact: <sip:{user}@{host}>",
        *headers,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"SIP/2.0 ")
    return int(answer[8:11])


class Stranger:
    """Somebody at an address of the loopback network."""

    transport = "UDP"

    def __init__(self, victim: Victim, host: str, sock: socket.socket) -> None:
        self.victim = victim
        self.host = host
        self.socket = sock
        sock.settimeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def request(
        self,
        method: str,
        *,
        user: str = "100",
        to: str | None = None,
        tag: str = "",
        headers: Iterable[str] = (),
    ) -> bytes:
        transport = self.transport
        return request(method, self.host, transport=transport, user=user, to=to, tag=tag, headers=headers)

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def receive(self) -> bytes:
        """The next message."""
        raise NotImplementedError

    def answers_to(self, data: bytes) -> list[bytes]:
        """All that comes back for some bytes, up to the answer to an OPTIONS that is sent after them."""
        marker = self.request("OPTIONS")
        self.send(data)
        self.send(marker)
        call_id = re.search(rb"Call-ID: .*\r\n", marker)
        assert call_id is not None
        received = [self.receive()]
        while call_id[0] not in received[-1]:
            received.append(self.receive())
        return received[:-1]

    def responses_to(self, data: bytes) -> list[Response]:
        """The same, where the answers are as they have to be."""
        responses = [parse_message(answer) for answer in self.answers_to(data)]
        assert all(isinstance(response, Response) for response in responses)
        return cast(list[Response], responses)


class Datagrams(Stranger):
    """Over UDP."""

    def __init__(self, victim: Victim, host: str) -> None:
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        sock.bind((host, 0))
        sock.connect((victim.host, PORT))
        super().__init__(victim, host, sock)

    def receive(self) -> bytes:
        return self.socket.recv(65536)

    def answered(self) -> int:
        """The status of the answer to OPTIONS. A full buffer may lose it a few times, and who is overloaded asks to
        come again later (503)."""
        self.socket.settimeout(0.5)
        for _ in range(2 * PATIENCE):
            self.send(self.request("OPTIONS"))
            with contextlib.suppress(TimeoutError):
                if (status := status_of(self.receive())) != 503:
                    return status
        raise AssertionError("no answer to OPTIONS")


class Connection(Stranger):
    """Over TCP, or TLS."""

    transport = "TCP"

    def __init__(self, victim: Victim, host: str, *, tls: bool = False) -> None:
        address = (victim.host, TLS_PORT if tls else PORT)
        sock = socket.create_connection(address, PATIENCE, source_address=(host, 0))
        if tls:
            self.transport = "TLS"
            sock = victim.trusted.wrap_socket(sock, server_hostname=victim.host)
        super().__init__(victim, host, sock)
        self._framer = StreamFramer()
        self._messages: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        while not self._messages:
            data = self.socket.recv(65536)
            assert data, "the connection was closed"
            self._messages += [message for message in self._framer.feed(data) if message]
        return self._messages.pop(0)

    def answered(self) -> int:
        """The status of the answer to OPTIONS."""
        self.send(self.request("OPTIONS"))
        return status_of(self.receive())

    def pour(self, data: bytes) -> None:
        """Send what the other side may well hang up on."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    @property
    def is_open(self) -> bool:
        """Whether a ping is answered, and not by the end of the connection."""
        try:
            self.socket.sendall(b"\r\n\r\n")
            return bool(self.socket.recv(2))
        except (ConnectionError, ssl.SSLError):
            return False


# -- noise -----------------------------------------------------------------------------------------


def pieces(random: Random, number: int) -> Iterator[bytes]:
    """Random bytes of all sizes."""
    return (random.randbytes(random.choice([1, 3, 20, 200, 1400, 8000])) for _ in range(number))


def test_random_bytes(victim: Victim, seed: int) -> None:
    random = Random(seed)
    with Datagrams(victim, victim.stranger()) as udp:
        for piece in pieces(random, 500):
            udp.send(piece)
    host = victim.stranger()
    for tls in (False, True):
        for piece in pieces(random, 30):
            with Connection(victim, host, tls=tls) as connection:
                connection.pour(piece)
    for piece in pieces(random, 30):
        with socket.create_connection((victim.host, TLS_PORT)) as plain:
            plain.sendall(piece)


def test_mutated_messages(victim: Victim, seed: int) -> None:
    random = Random(seed)
    messages = [mutated(valid(random.choice(METHODS)), random) for _ in range(2000)]
    with Datagrams(victim, victim.stranger()) as udp:
        for message in messages:
            udp.send(message)
    host = victim.stranger()
    for start in range(0, 600, 20):
        with Connection(victim, host, tls=start % 60 == 0) as connection:
            connection.pour(b"".join(messages[start : start + 20]))


def test_the_largest_datagrams(victim: Victim) -> None:
    head = request("INVITE", "192.0.2.1")[:-4]
    with Datagrams(victim, victim.stranger()) as udp:
        for filler in (
            b"\0",
            b"A",
            b"\r\n",
            b"a: b\r\n",
            b"Via: x,",
            b",",
            b";",
            b"<",
            b'"',
            b"\r\n ",
            b"\xff",
        ):
            for data in (filler * 65507, head + b"\r\n" + filler * 65507, b"INVITE " + filler * 65507):
                for _ in range(3):
                    udp.send(data[:65507])


def test_ten_thousand_garbage_datagrams(victim: Victim, seed: int) -> None:
    random = Random(seed)
    garbage = [random.randbytes(300) for _ in range(100)] + [b"\0" * 300] * 20 + list(SPANNERS)
    with Datagrams(victim, victim.stranger()) as udp:
        for number in range(10_000):
            udp.send(garbage[number % len(garbage)])


@pytest.mark.parametrize("where", ["sip:pbx", "branch=", "tag=", "Call-ID: ", "CSeq: ", "Content-Length: "])
def test_nuls(victim: Victim, where: str) -> None:
    with Datagrams(victim, victim.stranger()) as udp, Connection(victim, victim.stranger()) as tcp:
        for nul in (b"\0", b"\0" * 1000):
            data = udp.request("OPTIONS").replace(where.encode(), where.encode() + nul)
            assert {status_of(answer) for answer in udp.answers_to(data)} <= {400}
            tcp.pour(data)


# -- connections -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_headers_that_never_end(victim: Victim, tls: bool) -> None:
    host = victim.stranger()
    connections = [Connection(victim, host, tls=tls) for _ in range(50)]
    for number, connection in enumerate(connections):
        connection.send(connection.request("INVITE")[: 20 + 4 * number])
    with Connection(victim, victim.stranger(), tls=tls) as other:
        assert other.answered() == 401
    for connection in connections:
        connection.pour(b"X-Filler: " + b"x" * 70_000)
        assert not connection.is_open
        connection.socket.close()


def test_messages_that_drip(victim: Victim) -> None:
    host = victim.stranger()
    drips = [Connection(victim, host) for _ in range(50)]
    message = request("INVITE", host, transport="TCP")
    with Connection(victim, victim.stranger()) as other:
        for byte in message[:100]:
            for drip in drips:
                drip.send(bytes([byte]))
            assert other.answered() == 401
    for drip in drips:
        drip.send(message[100:])
        assert status_of(drip.receive()) == 401
        drip.socket.close()


def test_a_source_gets_its_share_of_connections_and_others_theirs(victim: Victim) -> None:
    host = victim.stranger()
    connections = [Connection(victim, host) for _ in range(CONNECTIONS_PER_SOURCE + 20)]
    assert Counter(connection.is_open for connection in connections) == {
        True: CONNECTIONS_PER_SOURCE,
        False: 20,
    }
    with Connection(victim, victim.stranger()) as other:
        assert other.answered() == 401
    for connection in connections:
        connection.socket.close()


def test_two_thousand_connections(victim: Victim) -> None:
    hosts = [victim.stranger() for _ in range(20)]
    connections = [Connection(victim, host) for host in hosts for _ in range(CONNECTIONS_PER_SOURCE)]
    assert all(connection.is_open for connection in connections)
    with Datagrams(victim, victim.stranger()) as udp:
        assert udp.answered() == 401
    for connection in connections:
        connection.socket.close()


def test_handshakes_that_are_never_finished(victim: Victim) -> None:
    host = victim.stranger()
    silent = [
        socket.create_connection((victim.host, TLS_PORT), PATIENCE, source_address=(host, 0))
        for _ in range(3 * CONNECTIONS_PER_SOURCE)
    ]
    for connection in silent[:2]:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    with Connection(victim, victim.stranger(), tls=True) as other:
        assert other.answered() == 401
    for connection in silent:
        connection.close()


def test_a_client_that_does_not_read(victim: Victim) -> None:
    with Connection(victim, victim.stranger()) as deaf:
        deaf.socket.settimeout(10 * PATIENCE)  # all of it has to be read first
        flood = b"".join(deaf.request("OPTIONS") for _ in range(200_000))
        with pytest.raises(ConnectionError):  # it is cut off; on the way yet, that is learnt by sending more
            list(map(deaf.send, [flood] * 5))


# -- without credentials ---------------------------------------------------------------------------


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_without_credentials_there_is_nothing_but_a_challenge(victim: Victim, transport: str) -> None:
    host = victim.stranger()
    connected = (
        Datagrams(victim, host) if transport == "UDP" else Connection(victim, host, tls=transport == "TLS")
    )
    with connected as stranger:
        answers = {
            method: [
                response.status for response in stranger.responses_to(stranger.request(method, to="101@pbx"))
            ]
            for method in METHODS
        }
        assert answers == {method: [401] for method in METHODS} | {"ACK": [], "CANCEL": [481]}


@pytest.mark.parametrize("method", METHODS)
def test_a_dialog_that_does_not_exist_opens_no_door(victim: Victim, method: str) -> None:
    with Datagrams(victim, victim.stranger()) as stranger:
        statuses = [
            response.status for response in stranger.responses_to(stranger.request(method, tag=";tag=x"))
        ]
        assert statuses == ([] if method == "ACK" else [481])


@pytest.mark.row("CORE-23")
def test_a_flood_of_calls_without_credentials(victim: Victim) -> None:
    with Datagrams(victim, victim.stranger()) as udp:
        for _ in range(5000):
            udp.send(udp.request("INVITE", to="101@pbx"))
    with Connection(victim, victim.stranger()) as tcp:
        for _ in range(20):
            tcp.send(b"".join(tcp.request("INVITE", to="101@pbx") for _ in range(100)))
            assert {status_of(tcp.receive()) for _ in range(100)} == {401}


# -- with wrong credentials ------------------------------------------------------------------------


def with_credentials(stranger: Stranger, user: str, password: str, method: str = "REGISTER") -> bytes:
    """A REGISTER that answers a challenge."""
    [challenge] = stranger.responses_to(stranger.request(method, user=user, to=f"{user}@pbx"))
    assert challenge.status == 401
    answer = answer_challenge(
        challenge.get_all("WWW-Authenticate"), method, f"sip:{user}@pbx", user, password, nc=1, cnonce="x"
    )
    return stranger.request(method, user=user, to=f"{user}@pbx", headers=[f"Authorization: {answer}"])


@pytest.mark.row("CORE-02", "CORE-23")
def test_guessing_passwords_is_slow_and_does_not_lock_out_the_owner(victim: Victim) -> None:
    owner = victim.stranger()
    with Datagrams(victim, owner) as phone:
        [welcome] = phone.responses_to(with_credentials(phone, "100", PASSWORD))
        assert welcome.status == 200
    with Datagrams(victim, victim.stranger()) as guesser:
        guesses = [guesser.responses_to(with_credentials(guesser, "100", f"guess {n}")) for n in range(200)]
        statuses = Counter(response.status for guess in guesses for response in guess)
        assert set(statuses) == {401}
        assert statuses[401] < 100  # the others have had no answer at all
    assert any(right_guess_is_not_answered(victim) for _ in range(10))
    for host in (owner, victim.stranger()):
        with Datagrams(victim, host) as phone:
            [welcome] = phone.responses_to(with_credentials(phone, "100", PASSWORD))
            assert welcome.status == 200


def right_guess_is_not_answered(victim: Victim) -> bool:
    """Whether a new source that has guessed too often gets no answer to the right password. Once in a while one more
    guess is looked at, and on a slow machine it may be this."""
    with Datagrams(victim, victim.stranger()) as guesser:
        for number in range(100):
            if not guesser.responses_to(with_credentials(guesser, "100", f"guess {number}")):
                break
        return not guesser.responses_to(with_credentials(guesser, "100", PASSWORD))


def shape(response: Response) -> tuple[int, list[str], list[str]]:
    """What a stranger can tell answers apart by: status, header names in order, and the challenges."""
    challenges = [re.sub(r'nonce="[^"]*"', "nonce", value) for value in response.get_all("WWW-Authenticate")]
    return response.status, [name for name, _ in response.headers], challenges


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"])
def test_who_exists_cannot_be_found_out(victim: Victim, method: str) -> None:
    shapes: dict[str, list[tuple[int, list[str], list[str]]]] = {}
    for user in ("100", "101", "boss", "555", "9999", "nobody", "*777"):
        with Datagrams(victim, victim.stranger()) as stranger:
            asked = stranger.request(method, user=user, to=f"{user}@pbx")
            called = stranger.request(method, user="100", to=f"{user}@pbx")
            wrong = with_credentials(stranger, user, "wrong", method)
            shapes[user] = [
                shape(response) for data in (asked, called, wrong) for response in stranger.responses_to(data)
            ]
    assert len(shapes["100"]) == 3
    assert {user: told for user, told in shapes.items() if told != shapes["100"]} == {}


# -- the end ---------------------------------------------------------------------------------------


def test_without_descriptors_calls_go_on_and_connections_come_back(
    addresses: Iterator[str], tmp_path: Path
) -> None:
    import resource

    with running(tmp_path, addresses) as victim:
        with Connection(victim, victim.stranger()) as early, Datagrams(victim, victim.stranger()) as udp:
            assert early.answered() == 401
            open_files = len(list(Path(f"/proc/{victim.process.pid}/fd").iterdir()))
            resource.prlimit(victim.process.pid, resource.RLIMIT_NOFILE, (open_files + 20, open_files + 20))
            connections = [Connection(victim, victim.stranger()) for _ in range(60)]
            assert all(connection.is_open for connection in connections[:10])
            assert (early.answered(), udp.answered()) == (401, 401)
            for connection in connections:
                connection.socket.close()
        with Connection(victim, victim.stranger()) as late:
            assert late.answered() == 401
        victim.stop(logged="cannot accept connections: [Errno 24] Too many open files")


def test_a_stop_in_the_middle_of_it_all(addresses: Iterator[str], tmp_path: Path) -> None:
    with running(tmp_path, addresses) as victim:
        host = victim.stranger()
        connections = [Connection(victim, host, tls=number % 2 == 0) for number in range(20)]
        silent = [socket.create_connection((victim.host, TLS_PORT)) for _ in range(20)]
        for connection in connections:
            connection.send(connection.request("INVITE")[:50])
        with Datagrams(victim, host) as udp:
            for _ in range(1000):
                udp.send(udp.request("INVITE"))
            victim.stop()
        for connection in connections:
            assert not connection.is_open
            connection.socket.close()
        for plain in silent:
            plain.close()
