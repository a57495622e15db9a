"""Checks of a configuration that concern more than one value."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.config_errors import Problem
from pbx.destinations import ExtensionNumber, Number, Voicemail
from pbx.forwarding.book import destination
from pbx.limits import in_limits
from pbx.reception import numbers as reception_numbers
from pbx.reception_checks import in_reception
from pbx.silent_sounds import silent
from pbx.trunks.checks import in_trunks, leads_outside
from pbx.voicemail_settings import in_mail, unsent_mail

if TYPE_CHECKING:
    from pbx.config import Config, Extension, Media, Sip

PATIENT_SECONDS = 45
"""Many carriers give up on calls that ring for a minute."""
SHORT_PASSWORD = 8
"""Below so many characters a password is worth a warning: guessing it lets strangers phone at our cost."""


def contradictions(config: Config) -> Iterator[Problem]:
    """Values that are fine alone but not together."""
    yield from _in_sip(config.sip)
    yield from _in_media(config.media, config.sip)
    yield from _in_numbers(config)
    yield from _in_addresses(config.extensions)
    yield from _in_forwards(config)
    yield from _in_realms(config)
    yield from in_trunks(config)
    yield from in_mail(config)
    yield from in_limits(config)
    yield from in_reception(config)
    if config.events.min_expires > config.events.max_expires:
        yield Problem(
            "events.min_expires", f"should be {config.events.max_expires} (events.max_expires) or less"
        )


def weaknesses(config: Config) -> Iterator[Problem]:
    """What works, but should not stay so."""
    for index, extension in enumerate(config.extensions):
        if extension.password is None:
            continue
        password = extension.password.get_secret_value()
        if len(password) < SHORT_PASSWORD or password in (extension.number, extension.sip_id):
            remedy = f"is easily guessed, use {SHORT_PASSWORD} or more characters"
            yield _problem(index, extension, "password", remedy)
    yield from _too_patient(config)
    yield from unsent_mail(config)
    yield from silent(config)


def _too_patient(config: Config) -> Iterator[Problem]:
    """Extensions that callers from outside reach, and that ring until the carrier may give up."""
    called = {
        destination(text, "")
        for rule in config.inbound_rules
        for text in (rule.target, rule.otherwise)
        if text
    }
    for index, extension in enumerate(config.extensions) if called else ():
        targets = {Number(extension.number), ExtensionNumber(extension.number)}
        if extension.no_answer_seconds > PATIENT_SECONDS and called & targets:
            remedy = (
                f"should be {PATIENT_SECONDS} or less: carriers may end unanswered calls from outside sooner"
            )
            yield _problem(index, extension, "no_answer_seconds", remedy)


def _in_sip(sip: Sip) -> Iterator[Problem]:
    if sip.certificate and not sip.key:
        yield Problem("sip.key", "is missing, add the private key of the certificate")
    if sip.key and not sip.certificate:
        yield Problem("sip.certificate", "is missing, add the certificate of the key")
    if sip.tls_port and "tls_port" in sip.model_fields_set and not (sip.certificate or sip.key):
        yield Problem("sip.tls_port", "needs sip.certificate and sip.key, or set it to 0")
    if not (sip.udp_port or sip.tcp_port or sip.tls):
        yield Problem("sip.udp_port", "no phone can connect: UDP, TCP and TLS are all off; set a port")
    if sip.tls and sip.tls_port == sip.tcp_port:
        yield Problem("sip.tls_port", f"{sip.tls_port} is sip.tcp_port already, choose another")
    if sip.min_expires > sip.max_expires:
        yield Problem("sip.min_expires", f"should be {sip.max_expires} (sip.max_expires) or less")
    if sip.session_expires and sip.session_expires < sip.min_se:
        yield Problem("sip.session_expires", f"should be {sip.min_se} (sip.min_se) or more, or 0")


def _in_media(media: Media, sip: Sip) -> Iterator[Problem]:
    if media.address and ipaddress.ip_address(media.address).is_unspecified:
        remedy = "give one of this machine or leave it empty"
        yield Problem("media.address", f"is no address that sound can be sent to, {remedy}")
    low, high = media.port_range
    workers = max(1, media.processes())
    if low < 1024 or media.pairs_of_each(1) < 2:
        yield Problem("media.port_range", "should be [first, last], 1024 or above and with room for 4 ports")
    elif media.pairs_of_each(workers) < 2:
        remedy = f"should have room for 4 ports for each of {workers} workers (media.workers)"
        yield Problem("media.port_range", remedy)
    elif low <= sip.udp_port <= high:
        yield Problem("media.port_range", f"should leave out {sip.udp_port} (sip.udp_port)")


def _in_numbers(config: Config) -> Iterator[Problem]:
    reserved = config.numbers.reserved()
    if len(reserved) < len(type(config.numbers).model_fields):
        yield Problem("numbers.conference", "is numbers.voicemail already, choose another")
    for index, extension in enumerate(config.extensions):
        for key in ("number", "sip_id"):
            if purpose := reserved.get(getattr(extension, key)):
                remedy = f"is the {purpose} number, change it or numbers.{purpose}"
                yield _problem(index, extension, key, remedy)


def _in_addresses(extensions: tuple[Extension, ...]) -> Iterator[Problem]:
    """Two extensions that one address could mean. SIP IDs are told apart without regard to case."""
    numbers: dict[str, int] = {}
    for index, extension in enumerate(extensions):
        first = numbers.setdefault(extension.number, index)
        if first != index:
            yield _problem(index, extension, "number", f"is the number of extensions[{first}] already")
    sip_ids: dict[str, str] = {}
    for index, extension in enumerate(extensions):
        sip_id, number = extension.sip_id.lower(), extension.number
        owner = sip_id if sip_id in numbers else sip_ids.setdefault(sip_id, number)
        if owner != number:
            yield _problem(index, extension, "sip_id", f"{sip_id} means extension {owner} already")


def _in_forwards(config: Config) -> Iterator[Problem]:
    numbers = {extension.number for extension in config.extensions} | reception_numbers(config).keys()
    for index, extension in enumerate(config.extensions):
        for occasion in type(extension.forward).model_fields:
            target = getattr(extension.forward, occasion)
            if target is None:
                continue
            key = f"forward.{occasion}"
            number, scheme = _forward_number(target, extension.number), _scheme(target)
            if scheme and not any(scheme in trunk.schemes for trunk in config.trunks):
                remedy = f"needs a gateway for {scheme}:, add the scheme to that of a trunk"
                yield _problem(index, extension, key, remedy)
            if number == extension.number and number != "":
                yield _problem(index, extension, key, "is the extension itself, choose another")
            elif number and number not in numbers and not leads_outside(config, number):
                yield _problem(index, extension, key, f"{number} is no extension, add it or choose another")


def _forward_number(target: str, own: str) -> str:
    """The number that has to exist for a forward of extension `own`; empty for what is not known before the start."""
    match destination(target, own):
        case ExtensionNumber(number) | Number(number):
            return number
        case Voicemail(mailbox) if mailbox != own:
            return mailbox
    return ""


def _in_realms(config: Config) -> Iterator[Problem]:
    realms = {extension.ha1.realm for extension in config.extensions if extension.ha1 is not None}
    if strange := realms - {config.sip.realm}:
        remedy = "set that, or give those extensions new passwords (myphone ext set)"
        yield Problem(
            "sip.realm", f"there are passwords that are kept for the realm {min(strange)!r}; {remedy}"
        )


def _scheme(target: str) -> str:
    """That of the URI which a forward names; empty if it names none."""
    return target.split(":")[1] if target.startswith("uri:") else ""


def _problem(index: int, extension: Extension, key: str, message: str) -> Problem:
    return Problem(f"extensions[{index}].{key}", f"(extension {extension.number}) {message}")
