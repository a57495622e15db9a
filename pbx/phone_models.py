"""What makes of phones want to be told, and what is odd about them: data, each with where it was seen.

A phone is known by the User-Agent of its registration. Headers of intercom calls have it answer by itself, on the
loudspeaker; most phones do that only where their own settings allow it.
"""

from __future__ import annotations

import re
from enum import Enum

from values import dataclass

NOBODY = "sip:intercom.invalid"
"""The headers have to name a resource, and no phone is to fetch one (RFC 2606 section 2)."""
ANSWER_AFTER = ("Call-Info", f"<{NOBODY}>;answer-after=0")
ALERT_AUTOANSWER = ("Alert-Info", f"<{NOBODY}>;info=alert-autoanswer;delay=0")
ANSWER_MODE = ("Answer-Mode", "Auto")
"""RFC 5373 section 4.2."""


class Quirk(Enum):
    """What others do not do."""

    HOLDS_BY_ZERO_ADDRESS = "holds by c=0.0.0.0 (RFC 2543)"
    """Besides, or in place of, a direction attribute."""
    NO_SHA_256 = "gives up at a challenge by SHA-256"
    NEW_CALL_ID_AT_START = "registers with a new Call-ID after each start"
    LEAVES_TRANSFERS_LATE = "sends BYE some seconds after a transfer"


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was seen."""

    title: str
    where: str
    """Address, or repository and file."""


@dataclass(frozen=True, slots=True)
class PhoneModel:
    """A make of phones, or some of its models."""

    maker: str
    agents: str
    """Regular expression for the beginning of the User-Agent, in any letter case."""
    intercom: tuple[tuple[str, str], ...]
    """Headers of a call that it is to answer by itself."""
    internal_ring: str = "<urn:alert:source:internal>"
    """Alert-Info of a call from inside; the default is that of RFC 7462 section 6.2."""
    external_ring: str = "<urn:alert:source:external>"
    quirks: frozenset[Quirk] = frozenset()
    sources: tuple[Source, ...] = ()

    def ring(self, *, internal: bool) -> tuple[str, str]:
        """The header that has it ring as calls from inside or outside do."""
        return "Alert-Info", self.internal_ring if internal else self.external_ring


def model_of(user_agent: str) -> PhoneModel:
    """The model of a phone; `OTHERS` where it is not known."""
    return next((model for model in MODELS if re.match(model.agents, user_agent, re.IGNORECASE)), OTHERS)


def alerting(
    user_agent: str, *, internal: bool, intercom: bool = False, distinctive: bool = False
) -> tuple[tuple[str, str], ...]:
    """The headers of an INVITE that say how a phone is to alert its user: not at all, or by a ring of its own kind."""
    if intercom:
        return model_of(user_agent).intercom
    return (model_of(user_agent).ring(internal=internal),) if distinctive else ()


def _info(uri: str, name: str) -> str:
    return f"<{uri}>;info={name}"


_PAGING = Source(
    "Auto-answer settings of the FreePBX paging module", "github.com/FreePBX/paging autoanswerRows.php"
)
_SNOM_URL = "http://www.notused.com"
"""What its manual says to write; anything else would be fetched."""
_LOCAL_URL = "http://127.0.0.1"
"""As the manuals of Grandstream write it."""

MODELS = (
    PhoneModel(
        "Yealink",
        r"yealink\b",
        (ALERT_AUTOANSWER,),
        internal_ring=_info(NOBODY, "alert-internal"),
        external_ring=_info(NOBODY, "alert-external"),
        sources=(
            Source("Yealink: Intercom Auto Answer", "http://support.yealink.com/faq/faqInfo?id=546"),
            Source(
                "Administrator's Guide for SIP-T2/T4/T5 Series: Distinctive Ring Tones, Auto Answer",
                "https://manualshive.com/ru/manual/yealink/t48g/t48g_administrators-manual_908353-388.html",
            ),
        ),
    ),
    PhoneModel(
        "Snom",
        r"snom\b|snom[a-z]*[0-9]",
        (("Alert-Info", f"<{_SNOM_URL}>;info=alert-autoanswer;delay=0"), ANSWER_AFTER),
        internal_ring=f"{_info(_SNOM_URL, 'alert-internal')};x-line-id=0",
        external_ring=f"{_info(_SNOM_URL, 'alert-external')};x-line-id=0",
        sources=(
            Source("Ringtone - Alert Info", "https://service.snom.com/display/wiki/Ringtone+-+Alert+Info"),
            Source("answer_after_policy", "https://service.snom.com/display/wiki/answer_after_policy"),
        ),
    ),
    PhoneModel(
        "Grandstream",
        r"grandstream\b",
        (ANSWER_AFTER, ("Alert-Info", _info(_LOCAL_URL, "alert-autoanswer"))),
        internal_ring=_info(_LOCAL_URL, "alert-internal"),
        external_ring=_info(_LOCAL_URL, "alert-external"),
        sources=(
            Source(
                "GRP2600 Administration Guide: Allow Auto Answer by Call-Info/Alert-Info, Match Incoming Caller ID",
                "https://www.easymanua.ls/grandstream-networks/grp2616/manual/304616?p=54",
            ),
        ),
    ),
    PhoneModel(
        "Polycom",
        r"poly\b|polycom",
        (("Alert-Info", _info(_LOCAL_URL, "Auto Answer")),),
        sources=(
            _PAGING,
            Source(
                "SoundPoint IP Administrator's Guide: ring type answer, to be tied to a text of Alert-Info",
                "http://audio.manualsonline.com/manuals/mfg/polycom/sip_31.html?p=190",
            ),
        ),
    ),
    PhoneModel(
        "Cisco SPA and Linksys",
        r"(cisco|linksys|sipura)/spa",
        (ANSWER_AFTER,),
        quirks=frozenset(
            {Quirk.HOLDS_BY_ZERO_ADDRESS, Quirk.NEW_CALL_ID_AT_START, Quirk.LEAVES_TRANSFERS_LATE}
        ),
        sources=(
            _PAGING,
            Source(
                "SPA9x2 Phone Administration Guide: RFC 2543 Call Hold, Random REG CID On Reboot",
                "http://phone.manualsonline.com/manuals/mfg/linksys/spa922_3.html?p=139",
            ),
            Source(
                "SPA9x2 Phone Administration Guide: Referor Bye Delay",
                "http://phone.manualsonline.com/manuals/mfg/linksys/spa962.html?p=105",
            ),
        ),
    ),
    PhoneModel(
        "Mitel",
        r"mitel\b",
        (("Call-Info", "<sip:broadworks.net>;answer-after=0"), ALERT_AUTOANSWER),
        sources=(_PAGING,),
    ),
    PhoneModel(
        "Aastra",
        r"aastra\b",
        (ALERT_AUTOANSWER,),
        sources=(
            Source(
                "Aastra 53i Release Notes 2.1: Support For Delay before Auto-Answer",
                "https://manualshive.com/ru/manual/aastra/53i/3285607?page=106",
            ),
        ),
    ),
    PhoneModel(
        "Gigaset",
        r"gigaset\b|(n|s|c)[0-9]{3}.*ip.*gigaset",
        (ANSWER_AFTER, ("Alert-Info", _info(NOBODY, "alert-autoanswer"))),
        sources=(
            Source(
                "Gigaset FAQ: Auto-answer call",
                "https://teamwork.gigaset.com/gigawiki/display/GPPPO/FAQ+-+Auto-answer+call",
            ),
        ),
    ),
    PhoneModel(
        "AudioCodes",
        r"audiocodes\b",
        (ANSWER_AFTER, ALERT_AUTOANSWER),
        sources=(
            Source(
                "AudioCodes 310HD Administrator's Manual: Configuring Automatic Answer",
                "http://38.142.81.21:8001/manual/audiocodes/310hd/specifications-english/page-141.html",
            ),
        ),
    ),
    PhoneModel("Panasonic", r"panasonic\b", (("Alert-Info", "Intercom"),), sources=(_PAGING,)),
    PhoneModel(
        "Digium and Sangoma", r"digium\b|sangoma p", (("Alert-Info", "ring-answer"),), sources=(_PAGING,)
    ),
    PhoneModel(
        "Unify OpenStage",
        r"openstage\b|optipoint\b",
        (("Alert-Info", _info("http://example.com", "alert-autoanswer")),),
        sources=(_PAGING,),
    ),
    PhoneModel(
        "baresip 0 and 1",
        r"baresip v[01]\.",
        (ANSWER_MODE, ANSWER_AFTER, ALERT_AUTOANSWER),
        quirks=frozenset({Quirk.NO_SHA_256}),
        sources=(Source("baresip 1.0 of Debian 12, in our interop tests", "tests/interop/test_baresip.py"),),
    ),
    PhoneModel(
        "baresip",
        r"baresip\b",
        (ANSWER_MODE, ANSWER_AFTER, ALERT_AUTOANSWER),
        sources=(Source("ua_enable_autoanswer()", "github.com/baresip/baresip src/ua.c"),),
    ),
)
"""The first whose `agents` fits is taken. Makers that want what all others get (Fanvil, Linphone) are not here."""

OTHERS = PhoneModel(
    "others",
    "",
    (ANSWER_AFTER, ALERT_AUTOANSWER, ANSWER_MODE),
    sources=(
        _PAGING,
        Source("RFC 5373: Requesting Answering Modes for SIP", "https://www.rfc-editor.org/rfc/rfc5373"),
    ),
)
"""A phone that nothing is known of: all that is usual."""
