"""The options of `myphone ext add` and `myphone ext set`: each is named after the key of an export that it sets.

`voicemail.say_time` of `[[extensions]]` is `--voicemail-say-time`, and `simple.busy` of `[[user_rules]]` is
`--simple-busy`. What is not given stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_values(command: argparse.ArgumentParser) -> None:
    """Add all of them."""
    _add_user(command)
    _add_phones(command)
    _add_mailbox(command)
    _add_forwarding(command)
    _add_rights(command)


def _add_user(command: argparse.ArgumentParser) -> None:
    user = command.add_argument_group("the user")
    for key in ("first_name", "last_name", "email"):
        user.add_argument(_option(key), metavar="TEXT")
    user.add_argument("--language", choices=["", "en", "fr"], help="empty: that of [prompts]")
    user.add_argument("--pin-file", type=Path, metavar="FILE", help="its first line is the PIN")


def _add_phones(command: argparse.ArgumentParser) -> None:
    phones = command.add_argument_group("its phones, and its calls")
    phones.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the password of the phones"
    )
    phones.add_argument("--sip-id", metavar="TEXT", help="another name for SIP addresses")
    phones.add_argument("--outbound-caller-id", metavar="NUMBER", help="what calls to the outside show")
    _switch(phones, "withhold_number", "calls to the outside show nobody's number")
    phones.add_argument("--no-answer-seconds", type=float, metavar="N", help="how long they ring")
    phones.add_argument("--busy-detection", choices=["pbx", "phone"], help="who says that it is busy")
    phones.add_argument(
        "--record-calls",
        choices=["none", "external", "all"],
        help="which are recorded without being asked for",
    )


def _add_mailbox(command: argparse.ArgumentParser) -> None:
    mailbox = command.add_argument_group("its mailbox")
    _switch(mailbox, "voicemail_enabled", "messages can be left")
    _switch(mailbox, "voicemail_say_caller", "the caller's number is said before a message")
    _switch(mailbox, "voicemail_say_time", "it is said when a message was left")
    mailbox.add_argument(
        "--voicemail-mail",
        choices=["none", "notification", "attachment", "attachment-then-delete"],
        help="what is mailed for each message; all but the first need an --email",
    )
    mailbox.add_argument(
        "--voicemail-greeting",
        metavar="WAV",
        help="what callers hear, copied from a file; empty: the standard words",
    )


def _add_forwarding(command: argparse.ArgumentParser) -> None:
    simple = command.add_argument_group(
        "the user's simple form", "where its calls go; TARGET: an extension, or as said"
    )
    simple.add_argument("--simple-no-answer", metavar="TARGET", help="voicemail, end")
    simple.add_argument("--simple-busy", metavar="TARGET", help="voicemail, busy")
    simple.add_argument(
        "--simple-forward-all",
        dest="simple_forward_all_to",
        metavar="TARGET",
        help="voicemail, or what is dialled for a number outside; empty: nowhere",
    )
    _switch(
        simple,
        "simple_forward_all_offer",
        "who answers outside is asked, and may leave the call to the voicemail",
    )
    simple.add_argument(
        "--simple-forward-all-outside-office-hours",
        choices=["forward", "voicemail"],
        help="what they do then",
    )
    _switch(simple, "simple_forward_all_only_external", "calls from inside go to the voicemail instead")
    simple.add_argument(
        "--black-list",
        dest="black_list_numbers",
        nargs="*",
        metavar="NUMBER",
        help="these callers, and no others",
    )
    _switch(simple, "black_list_reject_anonymous", "callers without a number are rejected, too")
    forwards = command.add_argument_group(
        "forwards", "for an extension whose user has set no form; TARGET: any destination; empty: none"
    )
    for occasion in ("always", "busy", "no_answer", "not_registered"):
        forwards.add_argument(_option(f"forward_{occasion}"), metavar="TARGET")
    forwards.add_argument(
        "--replace-rules",
        action="store_true",
        help="give up the rules that a form or a forward takes the place of",
    )


def _add_rights(command: argparse.ArgumentParser) -> None:
    rights = command.add_argument_group("groups and rights")
    rights.add_argument("--groups", nargs="*", metavar="NAME", help="it is in these, and no others")
    rights.add_argument("--heads", nargs="*", metavar="NAME", help="it leads these, and no others")
    _switch(rights, "manager", "it sees the calls of the whole company")
    _switch(rights, "barge_in", "it may join the calls that it sees")


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _switch(group: argparse._ArgumentGroup, key: str, summary: str) -> None:
    group.add_argument(_option(key), action=argparse.BooleanOptionalAction, default=None, help=summary)
