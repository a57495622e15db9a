"""What of the machine the system cannot use: ports, certificate, data folder; said with the key that sets it.

Ports are asked about only after a start has failed, by trying each alone.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator

from pbx.config import Config, Media, Sip, Store
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


def closed_media_ports(sip: Sip, media: Media) -> Iterator[Problem]:
    """A range of ports of which none can be opened."""
    first, last = media.port_range
    for port in range(first + first % 2, last, 2):
        if _try(sip.listen, "UDP", port) is None and _try(sip.listen, "UDP", port + 1) is None:
            return
    place = f"{first} to {last} at {sip.listen}"
    yield Problem("media.port_range", f"no two UDP ports of {place} are free, set another range")


def unusable_folder(store: Store) -> Iterator[Problem]:
    """Why nothing can be kept in the data folder. It is made if it is not there, for its owner alone."""
    try:
        store.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=store.data_dir).close()
    except OSError as error:
        remedy = "set a folder that this user may write"
        yield Problem("store.data_dir", f"{store.data_dir} cannot be used ({error.strerror}), {remedy}")


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


def unusable_authorities(config: Config) -> Iterator[Problem]:
    """Files that should say whom to trust, and name nobody."""
    files = {f"trunks[{index}].authorities": trunk.authorities for index, trunk in enumerate(config.trunks)}
    for key, file in (files | {"mail.certificate_authorities": config.mail.certificate_authorities}).items():
        if file is None:
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except (ssl.SSLError, OSError):
            yield Problem(key, f"there is no certificate in {file}, give one or more in PEM form")


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
