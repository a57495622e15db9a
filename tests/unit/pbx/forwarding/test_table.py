"""The rules in words, and the help beside each field."""

from __future__ import annotations

import pytest

from pbx.destinations import Address, End, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.forwarding.edits import Button
from pbx.forwarding.rules import Action, AdvancedForm, CallType, Hours, ReachMe, Rule, RuleType
from pbx.forwarding.simple import ForwardAll, SimpleForm
from pbx.forwarding.table import BUTTONS, Names, columns, table
from pbx.forwarding.words import helps
from pbx.office_hours import Week

NAMES = Names({"100": "Lee Parker"}, {"804": "queue", "810": "ring_group", "800": "receptionist"})


@pytest.mark.row("FWD-59")
def test_the_sample_of_the_manual() -> None:
    form = AdvancedForm(rules=(Rule(type=RuleType.NO_ANSWER, action=Voicemail("100")),))
    assert columns("en") == ("Rule Type", "Hours", "Call Type", "Caller ID/DID", "Action")
    [row] = table(form)
    assert (row.id, row.cells) == (
        1,
        ("No Answer", "All Hours", "All Calls", "", "Forward to Voice mail 100"),
    )


@pytest.mark.row("FWD-59")
def test_every_column_says_what_the_rule_does() -> None:
    form = AdvancedForm(
        rules=(
            Rule(
                type=RuleType.CALLER_ID,
                action=ExtensionNumber("100"),
                hours=Hours.SPECIFIC,
                week=Week(monday=("08:30-12:00", "13:30-18:00"), sunday=("10:00-11:00",)),
                calls=CallType.EXTERNAL,
                callers=("0612345678", "+33 1 23"),
                dids=("0123456789",),
            ),
        )
    )
    [english], [french] = table(form, "en", NAMES), table(form, "fr", NAMES)
    assert english.cells == (
        "Based on Caller ID",
        "Specific Hours: Mon 08:30-12:00, 13:30-18:00; Sun 10:00-11:00",
        "External Calls",
        "0612345678, +33 1 23, DID 0123456789",
        "Forward to Extension 100 Lee Parker",
    )
    assert french.cells == (
        "Selon l'appelant",
        "Heures précises: lun 08:30-12:00, 13:30-18:00; dim 10:00-11:00",
        "Appels externes",
        "0612345678, +33 1 23, appelle le 0123456789",
        "Vers le poste 100 Lee Parker",
    )


@pytest.mark.row("FWD-59")
@pytest.mark.parametrize(
    ("action", "english", "french"),
    [
        (End(), "End the Call", "Terminer l'appel"),
        (End(busy=True), "Give Busy Tone", "Donner la tonalité d'occupation"),
        (Number("100"), "Forward to Extension 100 Lee Parker", "Vers le poste 100 Lee Parker"),
        (Number("0061"), "Forward to Number 0061", "Vers le numéro 0061"),
        (
            ReachMe("0061"),
            "Forward to Number 0061, Offer Voice mail",
            "Vers le numéro 0061, ou la messagerie vocale si on refuse",
        ),
        (SystemNumber("804"), "Forward to Queue 804", "Vers la file d'attente 804"),
        (SystemNumber("810"), "Forward to Ring Group 810", "Vers le groupe de sonnerie 810"),
        (SystemNumber("800"), "Forward to Digital Receptionist 800", "Vers le standard automatique 800"),
        (SystemNumber("899"), "Forward to Number 899", "Vers le numéro 899"),
        (Address("skype:threecx"), "Forward to skype:threecx", "Vers skype:threecx"),
    ],
)
def test_every_action_has_words(action: Action, english: str, french: str) -> None:
    form = AdvancedForm(rules=(Rule(type=RuleType.FORWARD_ALL, action=action),))
    assert [table(form, language, NAMES)[0].cells[-1] for language in ("en", "fr")] == [english, french]


@pytest.mark.row("FWD-59", "FWD-61")
def test_every_choice_and_every_button_has_words_in_both_languages() -> None:
    for kind in RuleType:
        rule = Rule(type=kind, action=End(), callers=("1",))
        for hours in Hours:
            week = Week(monday=("08:00-09:00",)) if hours is Hours.SPECIFIC else Week()
            for calls in CallType:
                form = AdvancedForm(
                    rules=(rule.model_copy(update={"hours": hours, "week": week, "calls": calls}),)
                )
                assert table(form, "en")[0].cells[:3] != table(form, "fr")[0].cells[:3]
    assert [BUTTONS[button].said("en") for button in Button] == [
        "Add Rule",
        "Update",
        "Delete",
        "Move Up",
        "Move Down",
        "Clear",
    ]
    assert len({BUTTONS[button].said("fr") for button in Button}) == len(Button)


@pytest.mark.row("FWD-23")
@pytest.mark.parametrize("form", [SimpleForm, ForwardAll, Rule, AdvancedForm])
def test_every_field_has_help_in_both_languages(form: type[SimpleForm]) -> None:
    found = helps(form)
    assert found.keys() == form.model_fields.keys() - {"id", "last_id"}  # which no page shows
    for each in found.values():
        assert each.french.endswith(".")
        assert each.english.endswith(".")
        assert each.french != each.english


@pytest.mark.row("FWD-23")
def test_the_sample_of_the_screen_can_be_filled_in() -> None:
    form = SimpleForm(forward_all=ForwardAll(to="uri:skype:threecx"))
    assert form.forward_all is not None
    assert form.forward_all.to == "uri:skype:threecx"
