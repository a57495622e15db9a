"""Why the system's ports cannot be opened, found out by trying each alone.

Asked only after a start has failed, so that the message can name the port and the key that sets it.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from pbx.config import Sip
from pbx.config_errors import Problem

_REMEDIES = {
    errno.EADDRINUSE: "is used by another program, stop that or set another port",
    errno.EACCES: "may be opened by the system administrator only, set one from 1024 up",
}


def closed_ports(sip: Sip) -> Iterator[Problem]:
    """The ports of `[sip]` that cannot be opened, and what to do."""
    ports = (
        ("udp_port", "UDP", sip.udp_port),
        ("tcp_port", "TCP", sip.tcp_port),
        ("tls_port", "TCP", sip.tls_port),
    )
    for key, kind, port in ports:
        if not port or (key == "tls_port" and not sip.tls):
            continue
        error = _try(sip.listen, kind, port)
        if error is None:
            continue
        if error.errno == errno.EADDRNOTAVAIL:
            yield Problem(
                "sip.listen", f"this machine has no address {sip.listen}, set one of its own or 0.0.0.0"
            )
            return
        remedy = _REMEDIES.get(error.errno or 0, f"cannot be opened: {error.strerror}")
        yield Problem(f"sip.{key}", f"{kind} port {port} at {sip.listen} {remedy}")


def unusable_certificate(sip: Sip) -> Iterator[Problem]:
    """What is wrong with the certificate and its key."""
    if not sip.tls or sip.certificate is None:
        return
    try:
        # A password of our own keeps OpenSSL from asking for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(sip.certificate, sip.key, lambda: "")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "cannot be read"
        yield Problem(
            "sip.certificate", f"cannot be used with sip.key ({reason}), give a PEM certificate and its key"
        )


def _try(host: str, kind: str, port: int) -> OSError | None:
    """What happens on opening one port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "UDP" else socket.SOCK_STREAM) as probe:
        if kind == "TCP" and os.name == "posix":  # as servers do, so that a port just left is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None
