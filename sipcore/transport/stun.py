"""STUN (RFC 8489), as far as it tells an address: binding requests answered, and asked.

Over UDP such messages come at the port of SIP, as keep-alives of phones behind a NAT (RFC 5626 section 4.4.2). Their
first two bits are 0, and no SIP message begins so.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from random import Random

from sipcore.transport.flow import Address
from values import dataclass

COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
MAPPED_ADDRESS, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0001, 0x0009, 0x000A
XOR_MAPPED_ADDRESS, SOFTWARE, FINGERPRINT = 0x0020, 0x8022, 0x8028
_KNOWN = {0x0006, 0x0008, MAPPED_ADDRESS, XOR_MAPPED_ADDRESS}
"""Of those that have to be understood (below 0x8000): USERNAME and MESSAGE-INTEGRITY too, which nobody needs here."""
_UNKNOWN_ATTRIBUTE = 420
_FINGERPRINT_XOR = 0x5354554E
HEADER = struct.Struct("!HHI12s")
MAX_BYTES = 548
"""Of a message whose path is not known (section 6.1)."""
MAX_ATTRIBUTES = 32


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A message with the attributes that it has, in their order."""

    kind: int
    transaction_id: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> StunMessage | None:
        """Read a datagram; None if it is no STUN message (section 6)."""
        if not is_stun(data):
            return None
        kind, length, _, transaction_id = HEADER.unpack_from(data)
        if length % 4 or HEADER.size + length != len(data) or len(data) > MAX_BYTES:
            return None
        attributes: list[tuple[int, bytes]] = []
        position = HEADER.size
        while position < len(data):
            name, size = struct.unpack_from("!HH", data, position)
            value = data[position + 4 : position + 4 + size]
            if len(value) != size or len(attributes) >= MAX_ATTRIBUTES:
                return None
            if name != FINGERPRINT:
                attributes.append((name, value))
            elif value != _fingerprint(data[:position]):
                return None
            position += 4 + (size + 3) // 4 * 4
        return cls(kind, transaction_id, tuple(attributes))

    def to_bytes(self) -> bytes:
        """As it travels, with a fingerprint (section 14.7)."""
        body = b"".join(
            struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)
            for name, value in self.attributes
        )
        head = HEADER.pack(self.kind, len(body) + 8, COOKIE, self.transaction_id) + body
        return head + struct.pack("!HH", FINGERPRINT, 4) + _fingerprint(head)

    @property
    def mapped(self) -> Address | None:
        """The address that a response tells (sections 14.1 and 14.2)."""
        for name, value in sorted(self.attributes, reverse=True):
            if name in (XOR_MAPPED_ADDRESS, MAPPED_ADDRESS):
                address = _address(value, self.transaction_id if name == XOR_MAPPED_ADDRESS else None)
                if address is not None:
                    return address
        return None


def is_stun(data: bytes) -> bool:
    """Whether a datagram is a STUN message rather than SIP, by its first bits and the cookie (section 6.3)."""
    return len(data) >= HEADER.size and data[0] < 0x40 and data[4:8] == COOKIE.to_bytes(4, "big")


def answer(data: bytes, source: Address) -> bytes | None:
    """The response to a binding request; None for all else, which is silently dropped (section 6.3.1)."""
    request = StunMessage.parse(data)
    if request is None or request.kind != BINDING_REQUEST:
        return None
    unknown = [name for name, _ in request.attributes if name < 0x8000 and name not in _KNOWN]
    if unknown:
        code = struct.pack("!HBB", 0, _UNKNOWN_ATTRIBUTE // 100, _UNKNOWN_ATTRIBUTE % 100) + b"Unknown"
        names = b"".join(name.to_bytes(2, "big") for name in unknown)
        attributes: tuple[tuple[int, bytes], ...] = ((ERROR_CODE, code), (UNKNOWN_ATTRIBUTES, names))
        return StunMessage(BINDING_ERROR, request.transaction_id, attributes).to_bytes()
    mapped = _xored(source, request.transaction_id)
    return StunMessage(BINDING_SUCCESS, request.transaction_id, ((XOR_MAPPED_ADDRESS, mapped),)).to_bytes()


class BindingClient:
    """One binding request at a time, sent again as section 6.2.1 says: after 0.5 s, 1.5 s, 3.5 s ..., seven times."""

    RTO_SECONDS = 0.5
    SENDINGS = 7
    LAST_WAIT = 16
    """How many RTO the answer to the last one is waited for."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._transaction_id: bytes | None = None
        self._sent = 0
        self._interval = 0.0
        self.deadline: float | None = None
        """When `tick` wants to be called."""

    def start(self, now: float) -> bytes:
        """What to send first."""
        self._transaction_id = self._random.randbytes(12)
        self._sent, self._interval = 0, self.RTO_SECONDS
        return self._send(now)

    def tick(self, now: float) -> bytes | None:
        """What to send again; None where nothing is due, or no answer will come: then `deadline` is None."""
        if self.deadline is None or now < self.deadline:
            return None
        if self._sent >= self.SENDINGS:
            self._transaction_id = self.deadline = None
            return None
        return self._send(now)

    def receive(self, data: bytes) -> Address | None:
        """The address in the answer to our request; None for anything else."""
        response = StunMessage.parse(data)
        if response is None or response.transaction_id != self._transaction_id:
            return None
        if response.kind not in (BINDING_SUCCESS, BINDING_ERROR):
            return None
        self._transaction_id = self.deadline = None
        return response.mapped if response.kind == BINDING_SUCCESS else None

    def _send(self, now: float) -> bytes:
        assert self._transaction_id is not None
        self._sent += 1
        last = self._sent == self.SENDINGS
        self.deadline = now + (self.LAST_WAIT * self.RTO_SECONDS if last else self._interval)
        self._interval *= 2
        return StunMessage(BINDING_REQUEST, self._transaction_id).to_bytes()


def _fingerprint(before: bytes) -> bytes:
    return (zlib.crc32(before) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _key(size: int, transaction_id: bytes) -> int:
    return int.from_bytes((COOKIE.to_bytes(4, "big") + transaction_id)[:size], "big")


def _xored(address: Address, transaction_id: bytes) -> bytes:
    packed = ipaddress.ip_address(address.host).packed
    mixed = int.from_bytes(packed, "big") ^ _key(len(packed), transaction_id)
    family = 1 if len(packed) == 4 else 2
    return struct.pack("!BBH", 0, family, address.port ^ COOKIE >> 16) + mixed.to_bytes(len(packed), "big")


def _address(value: bytes, transaction_id: bytes | None) -> Address | None:
    """The address in an attribute, which is mixed with the transaction ID unless that is None."""
    size = {1: 4, 2: 16}.get(value[1] if len(value) > 1 else 0, 0)
    if not size or len(value) != 4 + size:
        return None
    port, host = int.from_bytes(value[2:4], "big"), int.from_bytes(value[4:], "big")
    if transaction_id is not None:
        port, host = port ^ COOKIE >> 16, host ^ _key(size, transaction_id)
    return Address(str(ipaddress.ip_address(host.to_bytes(size, "big"))), port)
