"""The least that a B2BUA in Python can do with the phones of `benchmarks/load.py`: what a call costs before anything is
checked, repeated, remembered for retransmissions, decided or relayed.

It asks for digest credentials, gives each leg a pair of ports, writes both sides' messages anew, and enters a row for
each call. It trusts every byte, so it is a yardstick and nothing else.

python -m benchmarks.bare_b2bua DATABASE     prints its UDP port
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
import sqlite3
import sys
import time

from benchmarks.harness import HOST, REALM, password_of
from benchmarks.load import md5

Fields = dict[str, str]
Peer = tuple[str, int]
KEY = secrets.token_bytes(16)
FLUSH_SECONDS = 0.5


def read(data: bytes) -> tuple[str, Fields, bytes]:
    """Start line, header fields and body."""
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    fields = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
    return start, fields, body


def sign(text: str) -> str:
    """What makes a nonce ours."""
    return hashlib.blake2s(text.encode(), key=KEY, digest_size=8).hexdigest()


def uri_of(value: str) -> str:
    """What stands in angle brackets."""
    return value.partition("<")[2].partition(">")[0]


def describe(body: bytes, port: int) -> bytes:
    """The peer's offer or answer, with our address."""
    lines = body.decode().split("\r\n")
    for index, line in enumerate(lines):
        if line.startswith("m="):
            lines[index] = f"m=audio {port} {line.split(' ', 2)[2]}"
        elif line.startswith(("c=", "o=")):
            lines[index] = f"c=IN IP4 {HOST}" if line[0] == "c" else f"o=- 1 1 IN IP4 {HOST}"
    return "\r\n".join(lines).encode()


class Ports:
    """Those of a leg: RTP and RTCP."""

    def __init__(self) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for each in self._sockets:
            each.setblocking(False)
            each.bind((HOST, 0))
        self.port: int = self._sockets[0].getsockname()[1]

    def close(self) -> None:
        """Give them back."""
        for each in self._sockets:
            each.close()


class Call:
    """Two legs."""

    def __init__(
        self, invite: Fields, caller: str, callee: str, caller_at: Peer, contact: str, at: Peer
    ) -> None:
        self.invite, self.caller, self.callee, self.caller_at = invite, caller, callee, caller_at
        self.target, self.callee_at = contact, at
        self.ports = Ports(), Ports()
        self.our_tag, self.callers_tag, self.call_id = (secrets.token_hex(8) for _ in range(3))
        self.to = f"<{contact}>"
        self.began = time.time()


class BareB2bua:
    """One UDP socket."""

    def __init__(self, database: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((HOST, 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._contacts: dict[str, tuple[str, Peer]] = {}
        self._secrets: dict[str, str] = {}
        self._calls: dict[str, Call] = {}
        self._rows: list[tuple[str, str, float, float]] = []
        self._database = sqlite3.connect(database)
        self._database.execute("pragma journal_mode=wal")
        self._database.execute("create table calls (caller text, callee text, began real, ended real)")

    async def serve(self) -> None:
        """Until the process is ended."""
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._rows:
                self._database.executemany("insert into calls values (?, ?, ?, ?)", self._rows)
                self._database.commit()
                self._rows.clear()

    def _receive(self) -> None:
        while True:
            try:
                data, peer = self._socket.recvfrom(65535)
            except BlockingIOError:
                return
            start, fields, body = read(data)
            if start.startswith("SIP/2.0 "):
                self._answered(start[8:11], fields, body)
            else:
                self._asked(start.partition(" ")[0], fields, body, peer)

    def _answered(self, status: str, fields: Fields, body: bytes) -> None:
        call = self._calls.get(fields["Call-ID"])
        if call is None or not fields["CSeq"].endswith(" INVITE"):
            return
        call.to = fields["To"]
        if status == "200":
            call.target = uri_of(fields["Contact"])
            self._respond(
                call.caller_at, call.invite, "200 OK", call.our_tag, describe(body, call.ports[0].port)
            )
        else:
            self._respond(call.caller_at, call.invite, f"{status} Ringing", call.our_tag)

    def _asked(self, method: str, fields: Fields, body: bytes, peer: Peer) -> None:
        call = self._calls.get(fields["Call-ID"])
        if method == "ACK":
            if call is not None and ";tag=" in fields["To"]:
                self._send(call.callee_at, "ACK", call, 1)
        elif method == "BYE":
            if call is not None:
                self._respond(peer, fields, "200 OK")
                self._end(call)
        elif (user := self._user(fields, method)) is None:
            challenge = f'Digest realm="{REALM}", nonce="{self._nonce()}", algorithm=MD5, qop="auth"'
            tag = secrets.token_hex(8)
            self._respond(peer, fields, "401 Unauthorized", tag, more=f"WWW-Authenticate: {challenge}\r\n")
        elif method == "REGISTER":
            self._contacts[user] = uri_of(fields["Contact"]), peer
            more = f"Contact: {fields['Contact']};expires=3600\r\n"
            self._respond(peer, fields, "200 OK", secrets.token_hex(8), more=more)
        elif method == "INVITE":
            self._begin(fields, body, user, peer)

    def _begin(self, fields: Fields, body: bytes, user: str, peer: Peer) -> None:
        self._respond(peer, fields, "100 Trying")
        callee = fields["To"].partition("sip:")[2].partition("@")[0]
        call = Call(fields, user, callee, peer, *self._contacts[callee])
        self._calls[fields["Call-ID"]] = self._calls[call.call_id] = call
        self._send(call.callee_at, "INVITE", call, 1, describe(body, call.ports[1].port))

    def _end(self, call: Call) -> None:
        self._send(call.callee_at, "BYE", call, 2)
        del self._calls[call.invite["Call-ID"]], self._calls[call.call_id]
        for ports in call.ports:
            ports.close()
        self._rows.append((call.caller, call.callee, call.began, time.time()))

    def _nonce(self) -> str:
        text = secrets.token_hex(8)
        return text + sign(text)

    def _user(self, fields: Fields, method: str) -> str | None:
        """Who proves to be whom."""
        if "Authorization" not in fields:
            return None
        pairs = (part.partition("=") for part in fields["Authorization"][7:].split(", "))
        given = {name: value.strip('"') for name, _, value in pairs}
        user, nonce = given["username"], given["nonce"]
        if sign(nonce[:16]) != nonce[16:]:
            return None
        if user not in self._secrets:
            self._secrets[user] = md5(f"{user}:{REALM}:{password_of(int(user))}")
        proof = f"{nonce}:{given['nc']}:{given['cnonce']}:auth:{md5(method + ':' + given['uri'])}"
        return user if md5(f"{self._secrets[user]}:{proof}") == given["response"] else None

    def _respond(
        self, to: Peer, fields: Fields, status: str, tag: str = "", body: bytes = b"", more: str = ""
    ) -> None:
        tag = f";tag={tag}" if tag and ";tag=" not in fields["To"] else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = (
            f"SIP/2.0 {status}\r\nVia: {fields['Via']};received={to[0]}\r\nFrom: {fields['From']}\r\n"
            f"To: {fields['To']}{tag}\r\nCall-ID: {fields['Call-ID']}\r\nCSeq: {fields['CSeq']}\r\n"
            f"Contact: <sip:{HOST}:{self.port}>\r\n{kind}{more}Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendto(head.encode() + body, to)

    def _send(self, to: Peer, method: str, call: Call, cseq: int, body: bytes = b"") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = (
            f"{method} {call.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{call.caller}@{HOST}>;tag={call.callers_tag}\r\nTo: {call.to}\r\nCall-ID: {call.call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:{HOST}:{self.port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendto(head.encode() + body, to)


async def _main(database: str) -> None:
    b2bua = BareB2bua(database)
    print(b2bua.port, flush=True)
    await b2bua.serve()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
