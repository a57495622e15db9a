"""The kernel drops what comes of some sources, before it takes room in the queue of a socket (socket filters of Linux,
Documentation/networking/filter.rst)."""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from collections.abc import Iterable
from ipaddress import ip_network

_ATTACH, _DETACH = 26, 27
_LOAD, _COMPARE, _RETURN = 0x20, 0x15, 0x06
_NOTHING, _ALL = 0, 0xFFFFFFFF
_IP_HEADER = 0xFFF00000
_SOURCE_AT = {4: 12, 6: 8}
"""Bytes of the IP header in front of the source address."""
_STEP = struct.Struct("=HBBI")
"""What to do, how many steps to skip if it is so, and if not, and a value (struct sock_filter)."""


def drop(port: socket.socket, sources: Iterable[str]) -> None:
    """Let nothing of these come to a UDP socket from now on, named as by `source_of`; without any, let all come.

    Raises OSError where the kernel does not do that.
    """
    if sys.platform != "linux":
        raise OSError("no socket filters on this system")
    version = 6 if port.family == socket.AF_INET6 else 4
    networks = [network for network in map(ip_network, sources) if network.version == version]
    rules = [_rule(_SOURCE_AT[version], network.network_address.packed[:8]) for network in networks]
    program = array("B", b"".join([*rules, _STEP.pack(_RETURN, 0, 0, _ALL)]))
    address, size = program.buffer_info()
    if rules:
        port.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", size // _STEP.size, address))
    else:
        port.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _rule(offset: int, source: bytes) -> bytes:
    """Drop what has these bytes there in its IP header, four at a time; all else goes on behind the rule."""
    rule = _STEP.pack(_RETURN, 0, 0, _NOTHING)
    for place in reversed(range(0, len(source), 4)):
        load = _STEP.pack(_LOAD, 0, 0, _IP_HEADER + offset + place)
        word = int.from_bytes(source[place : place + 4])
        rule = load + _STEP.pack(_COMPARE, 0, len(rule) // _STEP.size, word) + rule
    return rule
