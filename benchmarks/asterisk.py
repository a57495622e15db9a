"""What does the same work cost Asterisk on this machine, in the same minutes?

python -m benchmarks.asterisk [registration] [call] [relay] [conference] [--root FOLDER] [--rounds 5] [--calls 50]

Both systems hear the same bare phones in turn, and what is compared is the CPU of all their processes; of ours in a
conference, that of the media worker, for there is nothing to do for the others (benchmarks/conference.py).

Asterisk is the one in the path, or the one of the Debian installation in FOLDER, which is entered by
chroot(8) and so needs root:

    debootstrap --variant=minbase --include=asterisk sid FOLDER http://deb.debian.org/debian
    echo 127.0.0.1 localhost $(hostname) > FOLDER/etc/hosts

It has the few modules that the work needs, no codec but G.711, no logs and no call records, and relays sound itself.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conference import Options, Programs, compiled, load, measure, worker
from benchmarks.harness import (
    HOST,
    Server,
    cpu_seconds,
    first_answer,
    free_port,
    password_of,
    server,
)
from benchmarks.load import BarePhone, Unanswered, calling, in_step
from benchmarks.relay import connect, programs, talking

EXTENSIONS = range(1000, 1020)
ROOMS, PARTIES = 8, 32
"""Of the conferences."""
TALK_SECONDS = 4.0
LEAD_SECONDS = 2.0
"""Before what is measured: so long after a silence all goes on as ever."""
UNHEARD_PORT = 9
"""Where phones say that they hear, before they know; whoever relays sound follows where it comes from."""
MODULES = """
res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjsip res_pjsip_session res_pjsip_pubsub
res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_user res_pjsip_registrar res_pjsip_sdp_rtp
res_pjsip_caller_id res_pjsip_nat res_pjsip_rfc3326 res_pjsip_dtmf_info res_rtp_asterisk chan_pjsip app_dial
app_confbridge res_musiconhold bridge_simple bridge_native_rtp bridge_softmix bridge_holding codec_ulaw codec_alaw 
func_callerid pbx_config res_timing_timerfd
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one unit of work: medians of several rounds."""

    ours: float
    theirs: float

    def __str__(self) -> str:
        return f"{self.ours * 1e6:8.1f} us, Asterisk {self.theirs * 1e6:8.1f} us, ratio {self.ours / self.theirs:.2f}"


OURS, THEIRS = "this system", "Asterisk"


class NoAsterisk(Exception):
    """There is no Asterisk to run; the text says where it was looked for."""


@contextmanager
def asterisk(extensions: range, root: Path) -> Iterator[Server]:
    """Run Asterisk with these extensions on a free port of the loopback address."""
    program = next(
        (path for path in ("usr/sbin/asterisk", "usr/bin/asterisk") if (root / path).exists()), None
    )
    if program is None:
        raise NoAsterisk(f"there is no Asterisk in {root}: install one, or name its installation with --root")
    (root / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / "tmp") as folder:
        port = free_port()
        inside = Path("/") / Path(folder).relative_to(root)
        for name, text in _configuration(extensions, port, inside, root).items():
            (Path(folder) / name).write_text(text)
        enter = [] if root == Path("/") else ["chroot", str(root)]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*enter, f"/{program}", "-f", "-C", f"{inside}/asterisk.conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Server(process.pid, (HOST, port), first_answer((HOST, port)) - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _configuration(extensions: range, port: int, folder: Path, root: Path) -> dict[str, str]:
    """Asterisk's files by name. `folder` is theirs, as Asterisk sees it."""
    modules = next((root / "usr/lib").glob("**/asterisk/modules"))
    endpoints = "".join(
        f"[{number}]\ntype=endpoint\ncontext=office\ndisallow=all\nallow=ulaw,alaw\ndirect_media=no\nrtp_symmetric=yes\n"
        f"media_address={HOST}\n"
        f"auth=auth{number}\naors={number}\n"
        f"[auth{number}]\ntype=auth\nauth_type=digest\nusername={number}\npassword={password_of(number)}\n"
        f"[{number}]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n"
        for number in extensions
    )
    return {
        "asterisk.conf": f"[directories]\nastetcdir => {folder}\nastmoddir => /{modules.relative_to(root)}\n"
        f"astdbdir => {folder}\nastrundir => {folder}\nastlogdir => {folder}\nastspooldir => {folder}\n"
        f"astdatadir => /usr/share/asterisk\nastvarlibdir => {folder}\n",
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES.split()),
        "logger.conf": "[logfiles]\n",
        "rtp.conf": "[general]\nrtpstart=30000\nrtpend=32766\n",
        "extensions.conf": "[office]\nexten => _1XXX,1,Dial(PJSIP/${EXTEN})\n"
        "exten => _7XXX,1,Answer()\n same => n,ConfBridge(${EXTEN})\n",
        "confbridge.conf": "[default_user]\ntype=user\nquiet=yes\n[default_bridge]\ntype=bridge\n",
        "pjsip.conf": f"[udp]\ntype=transport\nprotocol=udp\nbind={HOST}:{port}\n" + endpoints,
    }


Work = Callable[[Server, int], Iterator[int | None]]
"""Does a round of work for a server, with so many calls if it is asked for any, whenever the next figure is wanted: how
many units that was; None where it only leads up to the next."""


def registrations(running: Server, _: int) -> Iterator[int]:
    """Digest registrations, all phones at once."""
    phones = [BarePhone(number, running.address) for number in EXTENSIONS]
    while True:
        yield sum(in_step([phone.registering() for phone in phones]) for _ in range(100))


def calls(running: Server, _: int) -> Iterator[int]:
    """Calls from INVITE to BYE, each phone in one of them."""
    pairs = _pairs(running)
    while True:
        yield sum(in_step([calling(*pair) for pair in pairs]) for _ in range(50))


def relayed(running: Server, calls: int) -> Iterator[int | None]:
    """Packets of sound, in and out, at the pace of real phones."""
    with programs() as found, talking(found.phones, 2 * calls, 20) as media:
        connect(running, range(1000, 1000 + 2 * calls), media)
        while True:
            media.talk(LEAD_SECONDS)
            yield None
            yield media.talk(TALK_SECONDS).received


def _pairs(running: Server) -> Sequence[tuple[BarePhone, BarePhone]]:
    phones = [BarePhone(number, running.address) for number in EXTENSIONS]
    for phone in phones:
        phone.register()
    return list(zip(phones[::2], phones[1::2], strict=True))


WORKS: dict[str, Work] = {"registration": registrations, "call": calls, "relay": relayed}


def compare(name: str, ours: Server, theirs: Server, rounds: int, calls: int) -> Cost:
    """Let both do this work in turns."""
    works = {who: (running, WORKS[name](running, calls)) for who, running in ((OURS, ours), (THEIRS, theirs))}
    figures: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for turn in range(rounds + 1):
        for who, (running, work) in works.items():
            done, before = None, 0.0
            try:
                while done is None:
                    before, done = cpu_seconds(running.pid), next(work)
            except Unanswered as error:
                raise Unanswered(f"{who} owed an answer: {error}") from None
            if not done:
                raise Unanswered(f"{who} passed nothing on")
            time.sleep(0.3)
            if turn:  # the first warms caches up
                figures[who].append((cpu_seconds(running.pid) - before) / done)
    return Cost(statistics.median(figures[OURS]), statistics.median(figures[THEIRS]))


async def conference(root: Path, rounds: int) -> Cost:
    """Rooms of parties of whom four talk: a participant and frame."""
    with tempfile.TemporaryDirectory() as folder:
        programs = compiled(folder)
        options = Options(parties=PARTIES, talkers=4, loss=0.0)
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            async with worker(ROOMS, options, programs) as (running, phones, _):
                figures[0].append((await measure(running, phones, ROOMS * PARTIES, TALK_SECONDS)).cpu_us)
            with asterisk(range(1000, 1000 + ROOMS * PARTIES), root) as theirs:
                figures[1].append(_meet(theirs, options, programs))
    return Cost(*(statistics.median(each) / 1e6 for each in figures))


def _meet(running: Server, options: Options, programs: Programs) -> float:
    """Microseconds of Asterisk's a participant and frame, when all are in their rooms."""
    callers = [BarePhone(number, running.address) for number in range(1000, 1000 + ROOMS * PARTIES)]
    ports = []
    for seat, caller in enumerate(callers):
        caller.register()
        room = 7000 + seat // PARTIES
        in_step([caller.inviting(room, UNHEARD_PORT)])
        ports.append(caller.acknowledge(room))
    with load(ports, options, programs) as phones:
        phones.begin(LEAD_SECONDS)  # by what they send it learns where they hear
        phones.end()
        phones.begin(TALK_SECONDS)
        before = cpu_seconds(running.pid)
        heard = phones.end()
        spent = cpu_seconds(running.pid) - before
    if heard.loud < 0.9 * heard.sent:
        raise RuntimeError(f"of {heard.sent} packets, which all who hear one talk, {heard.loud} were heard")
    return spent / heard.sent * 1e6


def main() -> int:
    """Measure and print; 1 where there is no Asterisk."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("works", nargs="*", metavar="WORK", help="of those above (default: all)")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="where Asterisk is installed (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=50, help="that are relayed (default: %(default)s)")
    options = parser.parse_args()
    extensions = range(1000, 1000 + max(2 * options.calls, len(EXTENSIONS)))
    names = options.works or [*WORKS, "conference"]
    width = max(map(len, names))
    try:
        for name in names:
            if name == "conference":
                print(f"{name:<{width}}  {asyncio.run(conference(options.root, options.rounds))}")
                continue
            with server(extensions) as ours, asterisk(extensions, options.root) as theirs:
                cost = compare(name, ours, theirs, options.rounds, options.calls)
                print(f"{name:<{width}}  {cost}")
    except NoAsterisk as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
