"""The way to the mail server (RFC 6409), and what it says."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pbx.voicemail_settings import Mail


class MailError(Exception):
    """A mail was not taken; the text says why, on one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split())[:300])


class MailRefused(MailError):
    """The server will never take it (a reply of 5xx to the mail itself)."""


class MailDeferred(MailError):
    """The server does not take it now (4xx)."""


class MailServerUnavailable(MailError):
    """The server cannot be reached, is too slow, or does not let us in: no mail at all can be sent now."""


class Mailer(Protocol):
    """Hands mails over. The outside world: tests have one of their own."""

    async def send(self, mail: EmailMessage, server: Mail) -> None:
        """Return when the server has taken it. Raises MailError."""


class SmtpMailer:
    """Hands them over by SMTP, each over a connection of its own."""

    async def send(self, mail: EmailMessage, server: Mail) -> None:
        """Return when the server has taken it. Raises MailError."""
        # Its client comes with the first mail: a system that sends none does not carry it.
        import aiosmtplib

        authorities = server.certificate_authorities
        try:
            await aiosmtplib.send(
                mail,
                sender=server.sender,
                recipients=[address.addr_spec for address in mail["To"].addresses],
                hostname=server.host,
                port=server.port,
                username=server.user or None,
                password=server.password.get_secret_value() or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                cert_bundle=None if authorities is None else str(authorities),
                local_hostname=server.domain,
                timeout=server.time_out_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0]) from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _judged(error) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise MailServerUnavailable(str(error) or type(error).__name__) from None


def _judged(reply: object) -> MailError:
    """What a reply to the mail itself means (RFC 5321 section 4.2.1)."""
    code, message = getattr(reply, "code", 0), getattr(reply, "message", "")
    kind = MailRefused if code >= 500 else MailDeferred
    return kind(f"{code} {message}")
