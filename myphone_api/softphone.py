"""`myphone phone`: a phone to script from the shell, on the same stack as the switch."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path

from media.wav import WavError, WavReader
from myphone_api.errors import CommandError, ExitCode
from myphone_api.logs import LogFormat, configure_logging
from myphone_api.loop import run_until_complete, signals
from pbx.environment import Environment
from pbx.phone import CallFailed, Phone, PhoneAccount, PhoneCall, RegistrationFailed
from sipcore.transport.flow import Address, Transport

PASSWORD_VARIABLE = "MYPHONE_PASSWORD"
SILENCE_HZ = 0.0
"""A phone whose user says nothing sends silence; none at all would be taken for a firewall."""
GOODBYE_SECONDS = 2.0
"""How long the end waits for a server that may be gone."""

_WHY_NOT_REGISTERED = {
    401: "the password is wrong, or there is no such extension",
    403: "the password is wrong, or there is no such extension",
    408: "nothing answers there; check address, port, transport and firewall",
    423: "the server asks for a longer registration",
    503: "nothing can be sent there; check address, port and transport",
}


def softphone(options: argparse.Namespace) -> ExitCode:
    """Register, do what the options ask for, and unregister."""
    configure_logging(sys.stderr, LogFormat(options.log_format), options.log_level)
    session = _Session(options, password(options))
    check_files(options)
    return run_until_complete(session.run())


# -- options ---------------------------------------------------------------------------------------


def password(options: argparse.Namespace) -> str:
    """The password, from where the options say. Raises CommandError."""
    if options.password is not None:
        return str(options.password)
    if options.password_file is not None:
        try:
            return Path(options.password_file).read_text("utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"--password-file: cannot read {options.password_file}: {error}", ExitCode.USAGE
            ) from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    raise CommandError(f"no password: use --password-file or set {PASSWORD_VARIABLE}", ExitCode.USAGE)


def check_files(options: argparse.Namespace) -> None:
    """Whether what is to be played and recorded can be. Raises CommandError."""
    try:
        if options.play is not None:
            WavReader(options.play).close()
    except OSError as error:
        raise CommandError(f"--play: cannot read {options.play}: {error.strerror}", ExitCode.USAGE) from error
    except WavError as error:
        raise CommandError(f"--play: {error}", ExitCode.USAGE) from error
    try:
        if options.record is not None:
            _check_writable(options.record)
    except OSError as error:
        raise CommandError(
            f"--record: cannot write {options.record}: {error.strerror}", ExitCode.USAGE
        ) from error


def _check_writable(path: Path) -> None:
    """Raises OSError. A file that is there stays as it is, and none is left that was not."""
    new = not path.exists()
    path.open("ab").close()
    if new:
        path.unlink()


_SERVER = re.compile(
    r"\[(?P<literal>[^\]]+)\](?::(?P<literal_port>[0-9]{1,5}))?"
    r"|(?P<host>[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
)


def server(text: str, transport: str) -> tuple[str, int, Transport]:
    """Host, port and transport; an IPv6 address needs brackets if a port follows. Raises CommandError."""
    kind = Transport[transport.upper()]
    found = _SERVER.fullmatch(text)
    port = int((found and (found["port"] or found["literal_port"])) or (5061 if kind.secure else 5060))
    if found is None or not 0 < port < 65536:
        message = f"--server: '{text}' is no address, give one such as 192.168.1.5:5060"
        raise CommandError(message, ExitCode.USAGE)
    return found["host"] or found["literal"] or found["bare"], port, kind


# -- the phone -------------------------------------------------------------------------------------


class _Session:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, secret: str) -> None:
        self._options = options
        self._secret = secret
        self._host, self._port, self._transport = server(options.server, options.transport)
        self._registered = False
        self._succeeded = False
        """Whether the call was answered, or no call was asked for and the registration went well."""

    async def run(self) -> ExitCode:
        """Register, phone, unregister. A signal hangs up and ends it early."""
        phone = await self._make_phone()
        work = asyncio.ensure_future(self._work(phone))
        with signals(work.cancel):
            try:
                await work
            except asyncio.CancelledError:
                self._tell("interrupted")
            finally:
                await self._leave(phone)
        return ExitCode.OK if self._succeeded else ExitCode.FAILED

    async def _work(self, phone: Phone) -> None:
        await self._register(phone)
        await self._phone(phone)

    async def _make_phone(self) -> Phone:
        environment = Environment.real()
        try:
            [host, *_] = await environment.network.resolve(self._host)
            local = self._options.listen or environment.network.local_host_towards(host)
        except (OSError, ValueError) as error:
            raise CommandError(f"--server: cannot find {self._host}: {error}") from error
        account = PhoneAccount(
            self._options.extension,
            self._secret,
            Address(self._host, self._port),
            self._transport,
            authorities=self._options.ca,
        )
        return Phone(environment, account, local=Address(local, 0))

    async def _register(self, phone: Phone) -> None:
        where = f"{self._host} port {self._port} over {self._transport.value}"
        try:
            await phone.start()
            await phone.register()
        except OSError as error:
            raise CommandError(f"cannot reach {where}: {error}") from error
        except RegistrationFailed as error:
            why = _WHY_NOT_REGISTERED.get(error.status, "see RFC 3261 section 21 for what that means")
            raise CommandError(f"{where}: registration failed with {error.status}: {why}") from error
        self._registered = True
        self._tell("registered", extension=self._options.extension, server=self._options.server)

    async def _leave(self, phone: Phone) -> None:
        """Unregister, and wait until the far end has confirmed that the call is over."""
        with contextlib.suppress(RegistrationFailed, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                if self._registered:
                    await phone.unregister()
                while phone.endpoint.live()["sessions"]:
                    await asyncio.sleep(0.02)
        await phone.stop()

    async def _phone(self, phone: Phone) -> None:
        number = self._options.call
        if number is not None:
            self._tell("calling", number=number)
            try:
                call = await phone.call(number)
            except CallFailed as error:
                self._tell("not answered", number=number, status=error.status)
                return
            await self._talk(call)
        elif self._options.answer:
            call = await phone.incoming()
            call.answer()
            await self._talk(call)
        else:
            self._succeeded = True
            await asyncio.sleep(self._options.seconds or math.inf)

    async def _talk(self, call: PhoneCall) -> None:
        """Play, record and press keys until the far end hangs up, or what was asked for is done."""
        self._succeeded = True
        self._tell("answered")
        began = time.monotonic()
        if self._options.record is not None:
            call.record(self._options.record)
        if self._options.play is not None:
            call.play(self._options.play)
        else:
            call.play_tone(SILENCE_HZ)
        if self._options.dtmf is not None:
            call.send_digits(self._options.dtmf)
        try:
            await self._end_of(call)
        finally:
            call.hang_up()
            self._tell("ended", seconds=round(time.monotonic() - began, 1))

    async def _end_of(self, call: PhoneCall) -> None:
        """Wait for whichever comes first: the far end hangs up, the time is up, all is played."""
        ends: list[asyncio.Future[object]] = [asyncio.ensure_future(call.over())]
        if self._options.seconds is not None:
            ends.append(asyncio.ensure_future(asyncio.sleep(self._options.seconds, 0)))
        elif self._options.play is not None:
            ends.append(asyncio.ensure_future(call.played()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def _tell(self, event: str, **facts: str | int | float) -> None:
        if self._options.json:
            print(json.dumps({"event": event} | facts), flush=True)
        else:
            print(" ".join([event, *(f"{key}={value}" for key, value in facts.items())]), flush=True)
