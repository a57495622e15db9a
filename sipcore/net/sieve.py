"""The kernel drops some of what comes of some sources, before it takes room in the queue of a socket (socket filters of
Linux, Documentation/networking/filter.rst)."""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from collections.abc import Mapping
from contextlib import suppress

_ATTACH, _DETACH = 26, 27
_LOAD, _LOAD_BYTE, _LOAD_KEPT, _KEEP, _AND = 0x20, 0x30, 0x60, 0x02, 0x54
_GO, _IF_EQUAL, _IF_NOT_LESS, _RETURN = 0x05, 0x15, 0x35, 0x06
_NOTHING, _ALL = 0, 0xFFFFFFFF
_IP_HEADER, _RANDOM = 0xFFF00000, 0xFFFFF038
"""Where to load from: so many bytes into the IP header (the datagram itself begins behind it), and any 32 bits."""
_SOURCE = {4: range(12, 16, 4), 6: range(8, 16, 4)}
"""Where the words of the source address are in the IP header; of IPv6 those of its /64."""
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_STEP = struct.Struct("=HBBI")
"""What to do, how many steps to skip if it is so, and if not, and a value (struct sock_filter)."""


def let_through(port: socket.socket, shares: Mapping[str, float]) -> None:
    """Of each of these sources (named as by `source_of`) let no more come to a UDP socket from now on than this share
    (0 to 1) of its datagrams, taken by chance; of all others let all come. That ends what was said before.

    Raises OSError where the kernel does not do that; all comes then.
    """
    if sys.platform != "linux":
        raise OSError("no socket filters on this system")
    with suppress(FileNotFoundError):  # first: one that is refused leaves none in its place
        port.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
    if shares:
        steps = [*_rules(4, shares), *_rules(6, shares), _step(_RETURN, _ALL)]
        program = array("B", b"".join(steps))
        port.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", len(steps), program.buffer_info()[0]))


def _rules(version: int, shares: Mapping[str, float]) -> list[bytes]:
    """For packets of this version of IP, whichever the socket is of; others skip them."""
    keep, rules = list[bytes](), list[bytes]()
    for place, offset in enumerate(_SOURCE[version]):
        keep += _step(_LOAD, _IP_HEADER + offset), _step(_KEEP, place)
    for source, share in shares.items():
        if (6 if ":" in source else 4) == version:
            rules += _rule(socket.inet_pton(_FAMILY[version], source.removesuffix("/64"))[:8], share)
    return [
        _step(_LOAD_BYTE, _IP_HEADER),
        _step(_AND, 0xF0),
        _step(_IF_EQUAL, version << 4, 1, 0),
        _step(_GO, len(keep) + len(rules)),
        *keep,
        *rules,
    ]


def _rule(source: bytes, share: float) -> list[bytes]:
    """Let this share of what comes of a source through, and drop the rest; all else goes on behind the rule."""
    limit = min(int(share * 2**32), 2**32 - 1)
    rule = [
        _step(_LOAD, _RANDOM),
        _step(_IF_NOT_LESS, limit, 1, 0),
        _step(_RETURN, _ALL),
        _step(_RETURN, _NOTHING),
    ]
    for place in reversed(range(len(source) // 4)):
        word = int.from_bytes(source[4 * place : 4 * place + 4])
        rule = [_step(_LOAD_KEPT, place), _step(_IF_EQUAL, word, 0, len(rule)), *rule]
    return rule


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return _STEP.pack(code, yes, no, value)
