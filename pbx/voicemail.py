"""Voicemail as a system has it: mailboxes, who may open them, and the mails about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.blocking import Blocking
from pbx.mail.outbox import Outbox
from pbx.mailboxes import Mailboxes
from pbx.sign_in import SignIn

if TYPE_CHECKING:
    from pbx.switch import Switch


class VoicemailSystem:
    """The parts, joined."""

    def __init__(self, switch: Switch) -> None:
        world = switch.environment
        self._blocking = Blocking(world.threads)
        self.mailboxes = Mailboxes(
            switch.config,
            world,
            switch.directory,
            switch.store,
            self._blocking,
            changed=switch.events.mailbox_changed,
            tell=switch.happenings.tell,
        )
        self.sign_in = SignIn(self.mailboxes, world.now)
        self.outbox = Outbox(switch.config, world, self.mailboxes, switch.store)

    async def start(self) -> None:
        """Let what was kept be found again, and send mails. Raises StoreUnavailable and OSError."""
        await self.mailboxes.start()
        self.outbox.start()

    async def stop(self) -> None:
        """Once all calls have ended."""
        self.mailboxes.stop()
        await self.outbox.stop()
        self._blocking.stop()
