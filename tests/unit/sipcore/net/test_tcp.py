"""Streams on real sockets: what a peer does that does not read, resets, or comes when nothing is left."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
import sys

import pytest

from sipcore.net import tcp
from sipcore.net.tcp import SystemListener, SystemStream, connect, listen
from sipcore.transport.flow import Address
from tests.unit.sipcore.net.loopback import HERE, ended, run, until


class Port:
    """A listening port; keeps what it accepted and what came."""

    def __init__(self) -> None:
        self.streams: list[SystemStream] = []
        self.received = bytearray()
        self.ends = 0

    async def open(self) -> SystemListener:
        self.listener = await listen(Address(HERE, 0), self._accept, None)
        return self.listener

    def _accept(self, stream: SystemStream) -> None:
        self.streams.append(stream)
        stream.receive = self.received.extend
        stream.closed = self._note_end

    def _note_end(self) -> None:
        self.ends += 1


def test_both_ends_hear_each_other_and_of_the_end() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        stream = await connect(listener.local, None)
        heard = bytearray()
        ends: list[bool] = []
        stream.receive = heard.extend
        stream.closed = lambda: ends.append(True)
        assert stream.remote == listener.local
        stream.write(b"hello")
        await until(lambda: port.received == b"hello")
        [accepted] = port.streams
        assert (accepted.local, accepted.remote) == (listener.local, stream.local)
        accepted.write(b"good-bye")
        accepted.close()
        accepted.close()
        accepted.write(b"too late")
        await until(lambda: ends and port.ends)
        assert (bytes(heard), ends, port.ends) == (b"good-bye", [True], 1)
        stream.write(b"nobody there")
        stream.close()
        listener.close()

    run(story())


def test_nobody_listens() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        listener.close()
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await connect(listener.local, None)
        again = await listen(listener.local, lambda stream: None, None)
        again.close()

    run(story())


def test_nobody_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        with pytest.raises(TimeoutError, match="does not answer"):
            await connect(listener.local, None)
        listener.close()

    monkeypatch.setattr(tcp, "CONNECT_SECONDS", 0.0)
    run(story())


def test_a_listening_port_in_use_is_an_error() -> None:
    async def story() -> None:
        first = await listen(Address(HERE, 0), lambda stream: None, None)
        with pytest.raises(OSError, match="in use"):
            await listen(first.local, lambda stream: None, None)
        first.close()

    run(story())


def test_accepted_connections_outlive_the_port() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        stream = await connect(listener.local, None)
        await until(lambda: port.streams)
        listener.close()
        stream.write(b"still here")
        await until(lambda: port.received == b"still here")
        stream.close()
        await until(lambda: port.ends)

    run(story())


# -- peers that do not do their part -----------------------------------------------------------------


def test_a_peer_that_does_not_read_is_cut_off_above_a_bound() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        with socket.create_connection(listener.local):
            await until(lambda: port.streams)
            for _ in range(1000):
                port.streams[0].write(b"x" * 65536)
            await until(lambda: port.ends)
        listener.close()

    run(story())


def test_a_peer_that_does_not_read_cannot_keep_a_connection_that_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        with socket.create_connection(listener.local):
            await until(lambda: port.streams)
            [stream] = port.streams
            transport = stream._transport
            assert transport is not None
            while not transport.get_write_buffer_size():
                stream.write(b"x" * 65536)
            stream.close()
            await until(lambda: port.ends)
        listener.close()

    monkeypatch.setattr(tcp, "CLOSE_SECONDS", 0.05)
    run(story())


def test_what_was_written_before_the_end_arrives() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        reader, writer = await asyncio.open_connection(*listener.local)
        await until(lambda: port.streams)
        port.streams[0].write(b"x" * 500_000)
        port.streams[0].close()
        assert len(await ended(reader)) == 500_000
        writer.close()
        listener.close()

    run(story())


def test_a_reset_is_the_end_of_that_connection_alone() -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        patient = await connect(listener.local, None)
        for _ in range(50):
            with socket.create_connection(listener.local) as hasty:
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: len(port.streams) == 51 and port.ends == 50)
        patient.write(b"still here")
        await until(lambda: port.received == b"still here")
        patient.close()
        listener.close()
        await until(lambda: port.ends == 51)

    run(story())


class ExhaustedSocket:
    """A listening socket of a process that has no descriptors left, for a while."""

    def __init__(self, real: socket.socket, failures: int) -> None:
        self._real = real
        self._failures = failures
        self.tries = 0

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self.tries += 1
        if self._failures:
            self._failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


def test_a_port_recovers_when_there_are_descriptors_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        monkeypatch.setattr(listener, "_socket", ExhaustedSocket(listener._socket, failures=2))
        stream = await connect(listener.local, None)
        stream.write(b"hello")
        await until(lambda: port.received == b"hello")
        stream.close()
        listener.close()

    monkeypatch.setattr(tcp, "RETRY_SECONDS", 0.02)
    with caplog.at_level(logging.ERROR):
        run(story())
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "Too many open files" in caplog.text


def test_a_port_that_rests_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        port = Port()
        listener = await port.open()
        exhausted = ExhaustedSocket(listener._socket, failures=sys.maxsize)
        monkeypatch.setattr(listener, "_socket", exhausted)
        with socket.create_connection(listener.local):
            await until(lambda: listener._retry is not None)
            listener.close()
            tries = exhausted.tries
            await asyncio.sleep(2 * tcp.RETRY_SECONDS)
        assert exhausted.tries == tries

    monkeypatch.setattr(tcp, "RETRY_SECONDS", 0.01)
    run(story())
