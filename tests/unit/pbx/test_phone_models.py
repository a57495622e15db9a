"""Makes of phones by their User-Agent, and the headers that they want."""

from __future__ import annotations

import re

import pytest

from pbx.phone_models import MODELS, OTHERS, Quirk, alerting, model_of
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message

AGENTS = {
    "Yealink SIP-T46S 66.85.0.5": "Yealink",
    "Yealink W60B 77.83.0.10": "Yealink",
    "snom370/8.7.5.35": "Snom",
    "snomD785/10.1.54.13": "Snom",
    "Snom D120": "Snom",
    "Grandstream GXP2160 1.0.11.3": "Grandstream",
    "Grandstream HT802 1.0.17.5": "Grandstream",
    "PolycomVVX-VVX_410-UA/5.9.0.9373": "Polycom",
    "PolycomSoundPointIP-SPIP_650-UA/3.2.2.0477": "Polycom",
    "Polycom/5.9.0.9373 PolycomVVX-VVX_410-UA": "Polycom",
    "Poly/8.0.1 PVX": "Polycom",
    "Cisco/SPA504G-7.6.2c": "Cisco SPA and Linksys",
    "Linksys/SPA942-6.1.5(a)": "Cisco SPA and Linksys",
    "Sipura/SPA2002-3.1.5": "Cisco SPA and Linksys",
    "Cisco-CP-8841-3PCC/11.3.1": "others",
    "Mitel 6867i/5.0.0.1018": "Mitel",
    "Aastra 53i/2.1.0.2145": "Aastra",
    "Gigaset N510 IP PRO/42.230": "Gigaset",
    "AUDIOCODES-IPPHONE-420HD/2.2.16": "AudioCodes",
    "Panasonic-KX-HDV130/02.000": "Panasonic",
    "Digium D40 1_4_0_0": "Digium and Sangoma",
    "OpenStage_40_V3": "others",
    "OpenStage 40": "Unify OpenStage",
    "baresip v1.0.0 (x86_64/linux)": "baresip 0 and 1",
    "baresip v3.10.1 (x86_64/Linux)": "baresip",
    "Fanvil X4 2.12.2": "others",
    "LinphoneiOS/5.2 (iPhone) LinphoneSDK/5.3": "others",
    "": "others",
    "x" * 200: "others",
}


@pytest.mark.row("ICOM-05")
@pytest.mark.parametrize(("agent", "maker"), AGENTS.items())
def test_phones_are_known_by_their_user_agent(agent: str, maker: str) -> None:
    assert model_of(agent).maker == maker


@pytest.mark.row("ICOM-05")
@pytest.mark.parametrize(
    ("agent", "headers"),
    [
        ("Yealink SIP-T46S", {"Alert-Info": ";info=alert-autoanswer;delay=0"}),
        (
            "snom370/8.7",
            {"Alert-Info": "<http://www.notused.com>;info=alert-autoanswer", "Call-Info": "answer-after=0"},
        ),
        ("Grandstream GXP", {"Call-Info": ";answer-after=0", "Alert-Info": "info=alert-autoanswer"}),
        ("Polycom/5", {"Alert-Info": "info=Auto Answer"}),
        ("Cisco/SPA504G", {"Call-Info": ";answer-after=0"}),
        ("Mitel 6867i", {"Call-Info": ";answer-after=0"}),
        ("Aastra 53i", {"Alert-Info": "info=alert-autoanswer;delay=0"}),
        ("Gigaset N510", {"Call-Info": ";answer-after=0"}),
        ("Panasonic-KX", {"Alert-Info": "Intercom"}),
        ("baresip v3.1", {"Answer-Mode": "Auto", "Call-Info": ";answer-after=0"}),
        (
            "Fanvil X4",
            {"Answer-Mode": "Auto", "Call-Info": ";answer-after=0", "Alert-Info": "alert-autoanswer"},
        ),
    ],
)
def test_the_headers_of_an_intercom_call(agent: str, headers: dict[str, str]) -> None:
    told = dict(alerting(agent, internal=True, intercom=True))
    for name, part in headers.items():
        assert part in told[name]


@pytest.mark.parametrize("model", [*MODELS, OTHERS], ids=lambda model: model.maker)
def test_the_data_of_a_model_are_whole(model: object) -> None:
    assert model in (*MODELS, OTHERS)
    found = next(entry for entry in (*MODELS, OTHERS) if entry is model)
    re.compile(found.agents)
    assert found.intercom
    assert found.sources, "where was it seen?"
    assert all(source.title and source.where for source in found.sources)
    for name, value in (*found.intercom, found.ring(internal=True), found.ring(internal=False)):
        assert name in ("Alert-Info", "Call-Info", "Answer-Mode")
        assert value.isascii()
        assert value.isprintable()
    assert len({name for name, _ in found.intercom}) == len(found.intercom)
    assert found.internal_ring != found.external_ring


def test_a_message_with_the_headers_is_read_again() -> None:
    for model in (*MODELS, OTHERS):
        request = Request(
            "INVITE",
            "sip:101@192.0.2.1",
            [
                ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
                ("From", "<sip:100@192.0.2.1>;tag=1"),
                ("To", "<sip:101@192.0.2.1>"),
                ("Call-ID", "1"),
                ("CSeq", "1 INVITE"),
                *model.intercom,
            ],
        )
        parsed = parse_message(request.to_bytes())
        assert [parsed.get(name) for name, _ in model.intercom] == [value for _, value in model.intercom]


def test_a_ring_of_its_own_kind_only_where_that_is_wanted() -> None:
    assert alerting("Yealink", internal=True) == ()
    [(name, inside)] = alerting("Yealink", internal=True, distinctive=True)
    [(_, outside)] = alerting("Yealink", internal=False, distinctive=True)
    assert name == "Alert-Info"
    assert ("internal" in inside, "external" in outside) == (True, True)
    assert alerting("Fanvil", internal=False, distinctive=True) == (
        ("Alert-Info", "<urn:alert:source:external>"),
    )


def test_quirks_are_data() -> None:
    assert Quirk.HOLDS_BY_ZERO_ADDRESS in model_of("Linksys/SPA942").quirks
    assert Quirk.NO_SHA_256 in model_of("baresip v1.0.0").quirks
    assert model_of("baresip v3.0.0").quirks == frozenset()
