"""What a feature may do with a call beside talking with its parties."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from media.messages import Echo, ListenForDigits, RecordCall, StopRecording
from pbx.refused import Refused
from pbx.relocation import bring
from pbx.tunnel import Tunnel
from pbx.voice import Voice, voice_for
from sipcore.events.conference_info import Participant

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.leg import Leg
    from pbx.party import Party
    from pbx.switch import Switch

Shared = TypeVar("Shared")


class FeatureVerbs:
    """For a call, which itself says whose leg is served."""

    id: str
    switch: Switch
    caller: Party
    leg: Leg | None
    """The leg of the party that is served: the caller's, or of whoever is left of the two. None while the call is being
    set up, and after another call has taken it over."""

    __slots__ = (*__annotations__,)

    @property
    def caller_leg(self) -> Leg:
        """The leg of the party that is served."""
        assert self.leg is not None, "the call has not started"
        return self.leg

    @property
    def config(self) -> Config:
        """The configuration of the system."""
        return self.switch.config

    def shared(self, factory: Callable[[], Shared]) -> Shared:
        """What `factory` makes, once for the system: where a feature keeps what its calls have in common."""
        return self.switch.shared(factory)

    def new_room(self) -> int:
        """The number of a conference room that nobody is in yet, where there is least to do."""
        return self.switch.media.new_room(self.caller_leg.stream)

    async def go_to_room(self, room: int) -> None:
        """Have the caller's sound carried where that of a room is, before it is joined; by a tunnel where the phone
        does not follow. Raises Refused: 500 it has not even agreed on any sound; PortsExhausted."""
        leg, worker = self.caller_leg, self.switch.media.worker_of_room(room)
        if not await bring(leg, worker):
            if leg.plan is None:
                raise Refused(500, "No Media Was Agreed On")
            Tunnel(leg, worker, self.switch.between_workers)

    def voice_of(self, leg: Leg) -> Voice:
        """What talks with the phone of a leg that has been answered."""
        if leg.tunnel is not None:
            leg.tunnel.close()
        self.switch.media.send(ListenForDigits(leg.stream))
        return voice_for(leg, self.switch)

    def attend(self, conference: str) -> AbstractContextManager[None]:
        """Within it the caller is in a conference, for those who watch that by its ID (RFC 4575)."""
        caller = self.caller
        return self.switch.rosters.attend(conference, Participant(self.id, caller.number, caller.full_name))

    def folder(self, name: str) -> Path:
        """The folder of a feature in the data folder, made if it is not there. Raises OSError."""
        path = self.config.store.data_dir / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def record(self, path: Path) -> None:
        """Record what the caller says and hears from now on, to the end of the call or until `stop_recording`.

        The folder has to be there. The file is there at the end; until then its sound is in a hidden part beside it.
        Where the caller is moved to another media worker, the rest is in a second file beside it, `NAME-2.wav`.
        """
        self.switch.media.send(RecordCall(self.caller_leg.stream, str(path)))

    def stop_recording(self) -> None:
        """Complete the file of `record`."""
        self.switch.media.send(StopRecording(self.caller_leg.stream, call=True))

    async def stay(self) -> NoReturn:
        """Wait until the caller hangs up."""
        await self.switch.loop.create_future()
        raise AssertionError("unreachable: the caller's hang-up cancels the call")

    async def echo(self) -> NoReturn:
        """Send the caller's own sound back until the caller hangs up."""
        self.switch.media.send(Echo(self.caller_leg.stream))
        await self.stay()
