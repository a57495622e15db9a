"""Recordings of conversations, both directions in one WAV: asked for by a user, or made of all calls of one."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from media.messages import Event, RecordCall, RecordingEnd, RecordingEnded, RecordingFailed, StopRecording
from pbx.directory import RecordCalls
from pbx.happenings import CallConnected, CallRecorded, RecordingFault
from pbx.leg import LegState
from pbx.recording_files import FOLDER, Recording, RecordingFiles, name_of

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.leg import Leg
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

_NONE, _, _ALL = RecordCalls
"""To ask an Enum for a member takes long, and this is asked of both legs of each call."""

RECENT = 100
"""So many names are remembered: of older recordings the files are there."""


class Recordings:
    """What is being recorded, by the leg of whoever has it recorded."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._kept = RecordingFiles(switch.config.store.data_dir / FOLDER)
        self._files: WeakKeyDictionary[Leg, Path] = WeakKeyDictionary()
        self._named: deque[Path] = deque(maxlen=RECENT)
        """Files that may not be in their places yet."""
        switch.happenings.subscribe(CallConnected, self._connected)

    def begin(self, call: Call, leg: Leg) -> Path | None:
        """Record what the party of `leg` and the other say from now on, to the end of the leg or until `end`.

        Returns the file, which is there and whole at the end; None where it is recorded already, or where no folder can
        be made: the call goes on, and `RecordingFault` tells why.
        """
        if leg in self._files or leg.extension is None:
            return None
        number, other = leg.extension.number, call.other(leg)
        whom = other.party.number if other is not None and other.party is not None else call.dialled
        path = self._kept.folder / number / name_of(self._switch.environment.wall(), whom, call.id)
        try:
            self._kept.prepare(number)
            path = self._new(path)
        except OSError as error:
            self._tell_fault(call.id, number, path, str(error))
            return None
        self._files[leg] = path
        self._named.append(path)
        self._switch.media.send(RecordCall(leg.stream, str(path)))
        return path

    def end(self, leg: Leg) -> None:
        """Complete the file of a leg; without one this does nothing."""
        if self._files.pop(leg, None) is not None:
            self._switch.media.send(StopRecording(leg.stream, call=True))

    def of(self, leg: Leg) -> Path | None:
        """The file that what is said there goes into."""
        return self._files.get(leg)

    async def listed(self, viewer: str) -> tuple[Recording, ...]:
        """The recordings of those whose calls extension `viewer` is shown, the latest first. Raises MailboxError."""
        sees = self._switch.board.rights_of(viewer).sees
        return await self._switch.mailboxes.do(partial(self._kept.listed, sees))

    async def find(self, viewer: str, extension: str, name: str) -> Path | None:
        """The file of a recording; None where there is none, or none that `viewer` may hear. Raises MailboxError."""
        if extension not in self._switch.board.rights_of(viewer).sees:
            return None
        return await self._switch.mailboxes.do(partial(self._kept.find, extension, name))

    async def forget(self, before: datetime, most: int) -> int:
        """Delete recordings that began before then, also of extensions that are gone; not more than `most`, and how
        many. Raises MailboxError."""
        return await self._switch.mailboxes.do(partial(self._kept.forget, before, most))

    def heard(self, leg: Leg, event: Event) -> None:
        """Whatever the media engine tells of a leg's stream: recordings of ours that end are told."""
        if not isinstance(event, RecordingEnded | RecordingFailed) or leg.extension is None:
            return
        path, number = Path(event.path), leg.extension.number
        if self._kept.folder not in path.parents:
            return
        moves = isinstance(event, RecordingEnded) and event.reason is RecordingEnd.CLOSED
        if leg.state is LegState.ENDED or (self._files.get(leg) == path and not moves):
            self._files.pop(leg, None)  # where it moves to another worker, it goes on in a second file
        if isinstance(event, RecordingFailed):
            self._tell_fault(leg.call_id, number, path, event.problem)
            return
        at = self._switch.environment.wall()
        self._switch.happenings.tell(
            CallRecorded(at=at, call=leg.call_id, extension=number, path=str(path), seconds=event.seconds)
        )

    def __len__(self) -> int:
        return len(self._files)

    def _new(self, path: Path) -> Path:
        """A path that no other recording has, such as one of the same call that was begun in the same second."""
        stem, number = path.stem, 0
        while path in self._named or path.exists():
            number += 1
            path = path.with_stem(f"{stem}.{number}")
        return path

    def _connected(self, connected: CallConnected) -> None:
        call = self._switch.calls.get(connected.call)
        if call is None:
            return
        for leg in (call.leg, call.callee):
            extension = None if leg is None else leg.extension
            if extension is not None and extension.record_calls is not _NONE:
                self._switch.loop.call_soon(partial(self._begin_by_policy, call))  # once both streams are open
                return

    def _begin_by_policy(self, call: Call) -> None:
        for leg in (call.leg, call.callee):
            if leg is not None and leg.state is LegState.ANSWERED and _is_recorded(leg, call):
                self.begin(call, leg)

    def _tell_fault(self, call: str, number: str, path: Path, problem: str) -> None:
        logger.warning("call %s: a recording for %s fails: %s", call, number, problem)
        at = self._switch.environment.wall()
        self._switch.happenings.tell(
            RecordingFault(at=at, call=call, extension=number, path=str(path), problem=problem)
        )


def _is_recorded(leg: Leg | None, call: Call) -> bool:
    """Whether the calls of its extension are, by the configuration."""
    if leg is None or leg.extension is None:
        return False
    wanted = leg.extension.record_calls
    return wanted is not _NONE and (wanted is _ALL or not call.internal)
