"""What users set: kept, refused where it cannot be, and converted from one form to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from features import status
from pbx.destinations import Address, Destination, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.directory import Extension
from pbx.forwarding import kept
from pbx.forwarding.book import Interface
from pbx.forwarding.callers import MAX_LISTED
from pbx.forwarding.checks import Rejected
from pbx.forwarding.edits import Add, Delete, EditError, Move, Update
from pbx.forwarding.rules import AdvancedForm, ReachMe, Rule, RuleType
from pbx.forwarding.simple import ForwardAll, SimpleForm, advanced
from pbx.happenings import ForwardingChanged
from pbx.plugin import StoreUnavailable
from tests.simulation.carrier import GATEWAY
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]

LINES = {"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0, "schemes": ["sip"]}
OUTSIDE = {
    "trunks": [LINES],
    "outbound_rules": [{"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": ["lines"]}],
    "dialing": {"country": "FR"},
}
RULES = AdvancedForm(
    rules=(
        Rule(type=RuleType.CALLER_ID, action=Voicemail("102"), callers=("0612345678",)),
        Rule(type=RuleType.NO_ANSWER, action=ExtensionNumber("103")),
    ),
    no_answer_seconds=25,
)


@dataclass(frozen=True)
class User:
    """The user of 101 at a page, or the like."""

    office: Office

    @property
    def extension(self) -> Extension:
        found = self.office.switch.directory.find("101")
        assert found is not None
        return found

    def form(self) -> SimpleForm | AdvancedForm:
        return self.office.switch.forwarding.settings(self.extension).form

    @property
    def listed(self) -> tuple[str, ...]:
        return self.office.switch.forwarding.settings(self.extension).black_list.numbers

    async def set(self, form: SimpleForm | AdvancedForm) -> None:
        await kept.set_form(self.office.switch, self.extension, form)


async def opened(make_office: MakeOffice, **tables: Any) -> User:
    office = make_office(**OUTSIDE | tables)
    await office.open()
    return User(office)


# -- conversion ------------------------------------------------------------------------------------


@pytest.mark.row("FWD-03", "FWD-30", "FWD-42")
async def test_the_advanced_form_begins_with_the_rules_in_force(make_office: MakeOffice) -> None:
    user = await opened(make_office)
    assert user.form() == SimpleForm(no_answer_seconds=60, no_answer="voicemail", busy="voicemail")
    page = SimpleForm(no_answer_seconds=20, busy="extension:102", forward_all=ForwardAll(to="voicemail"))
    await user.set(page)
    changed = await kept.to_advanced(user.office.switch, user.extension)
    assert changed.interface is Interface.ADVANCED
    assert user.form() == advanced(page, "101")
    assert await kept.to_advanced(user.office.switch, user.extension) == changed


@pytest.mark.row("FWD-31", "FWD-32", "FWD-33", "FWD-34")
async def test_back_to_the_simple_form_deletes_the_rules_once_that_is_confirmed(
    make_office: MakeOffice,
) -> None:
    user = await opened(make_office)
    switch = user.office.switch
    await user.set(SimpleForm(no_answer_seconds=20))
    await kept.to_advanced(switch, user.extension)
    await user.set(RULES)
    with pytest.raises(kept.NotConfirmed) as refused:
        await kept.to_simple(switch, user.extension)
    assert refused.value.rules == 2
    assert user.form() == RULES
    await kept.to_simple(switch, user.extension, confirm=True)
    assert user.form() == SimpleForm()
    assert await kept.replaced(switch, user.extension) == [RULES]
    await kept.to_advanced(switch, user.extension)
    assert user.form() == advanced(SimpleForm(), "101")


async def test_without_rules_nothing_is_to_be_confirmed(make_office: MakeOffice) -> None:
    user = await opened(make_office)
    await user.set(AdvancedForm())
    await kept.to_simple(user.office.switch, user.extension)
    assert user.form() == SimpleForm()


@pytest.mark.row("FWD-61", "FWD-62")
async def test_two_who_edit_at_once_lose_nothing_of_each_other(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    user = await opened(make_office, database=tmp_path / "myphone.db")
    switch = user.office.switch
    with pytest.raises(EditError, match="simple form"):
        await kept.edit_rules(switch, user.extension, Delete(1))
    await user.set(RULES)
    rule = Rule(type=RuleType.BUSY, action=ExtensionNumber("104"))
    await asyncio.gather(
        *(kept.edit_rules(switch, user.extension, edit) for edit in (Move(2, -1), Add(rule), Update(1, rule)))
    )
    form = user.form()
    assert isinstance(form, AdvancedForm)
    assert [(each.id, each.action) for each in form.rules] == [
        (2, ExtensionNumber("103")),
        (1, rule.action),
        (3, rule.action),
    ]
    assert form.no_answer_seconds == 25
    await kept.edit_rules(switch, user.extension, Delete(3))
    with pytest.raises(EditError, match="no rule 3"):
        await kept.edit_rules(switch, user.extension, Update(3, rule))
    with pytest.raises(Rejected, match="is no extension"):
        await kept.edit_rules(
            switch, user.extension, Add(Rule(type=RuleType.BUSY, action=ExtensionNumber("199")))
        )
    await user.office.restart()
    await kept.edit_rules(switch := user.office.switch, user.extension, Add(rule))
    form = user.form()
    assert isinstance(form, AdvancedForm)
    assert [each.id for each in form.rules] == [2, 1, 4]  # that of a rule that is gone is not given again


# -- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [RULES, SimpleForm(no_answer="extension:102", more_than_one_call=True)])
async def test_forms_and_black_lists_outlive_a_restart(
    make_office: MakeOffice, tmp_path: Path, form: SimpleForm | AdvancedForm
) -> None:
    user = await opened(make_office, database=tmp_path / "myphone.db")
    await kept.reject_caller(user.office.switch, user.extension, "06 12 34 56 78")
    await kept.reject_anonymous(user.office.switch, user.extension, on=True)
    await user.set(form)
    await user.office.restart()
    assert user.form() == form
    assert user.listed == ("06 12 34 56 78",)
    assert user.office.switch.forwarding.settings(user.extension).black_list.reject_anonymous
    assert len(user.office.told_of(ForwardingChanged)) == 3


async def test_the_configuration_is_a_seed(make_office: MakeOffice, tmp_path: Path) -> None:
    extensions = {"101": {"forward": {"busy": "102", "no_answer": "voicemail"}, "no_answer_seconds": 12}}
    user = await opened(make_office, extensions=extensions, database=tmp_path / "myphone.db")
    assert user.form() == AdvancedForm(
        rules=(
            Rule(type=RuleType.BUSY, action=Number("102")),
            Rule(type=RuleType.NO_ANSWER, action=Voicemail("101")),
        ),
        no_answer_seconds=12,
    )
    await user.set(SimpleForm())
    await user.office.restart()
    assert user.form() == SimpleForm()


async def test_what_cannot_be_read_any_more_is_left_out_and_told(
    make_office: MakeOffice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = await opened(make_office, database=tmp_path / "myphone.db")
    await user.set(RULES)
    spoilt = text("""UPDATE forwarding SET form = '{"rules": 7}'""")
    await user.office.switch.store.write(lambda connection: connection.execute(spoilt))
    await user.office.restart()
    assert user.form() == SimpleForm()
    assert "what 101 has set for its calls cannot be read" in caplog.text
    caplog.clear()


async def test_what_cannot_be_kept_does_not_hold(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await opened(make_office)

    async def out_of_order(change: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(user.office.switch.store, "write", out_of_order)
    with pytest.raises(StoreUnavailable):
        await user.set(RULES)
    assert user.form() == SimpleForm()
    assert user.office.told_of(ForwardingChanged) == []


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.row("FWD-21", "FWD-19")
@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (ExtensionNumber("101"), "is the extension itself"),
        (Number("101"), "is the extension itself"),
        (Number("ext101"), "is the extension itself"),
        (ReachMe("101"), "is the extension itself"),
        (ExtensionNumber("199"), "leads to 199, which is no extension"),
        (Voicemail("199"), "leads to 199, which is no extension"),
        (SystemNumber("804"), "leads to 804, which is no queue"),
        (Number("*61"), "is the dial code"),
        (Number("55555"), "leads nowhere: Not Found"),
        (Number("0004420123456"), "leads nowhere: Calls To This Country Are Not Allowed"),
        (Address("skype:threecx"), "needs a gateway for skype:"),
        (Address("sip:@@"), "needs a gateway for sip:"),
    ],
)
async def test_an_action_that_leads_nowhere_is_refused(
    make_office: MakeOffice, action: Destination | ReachMe, problem: str
) -> None:
    user = await opened(make_office, features=[status.feature])
    rules = (RULES.rules[0], Rule(type=RuleType.FORWARD_ALL, action=action))
    with pytest.raises(Rejected, match=f"rules\\[1\\].action {problem.replace('*', '.')}") as refused:
        await user.set(AdvancedForm(rules=rules))
    assert refused.value.field == "rules[1].action"
    assert user.form() == SimpleForm()


@pytest.mark.parametrize(
    ("page", "field"),
    [
        (SimpleForm(no_answer="extension:101"), "no_answer"),
        (SimpleForm(busy="extension:199"), "busy"),
        (SimpleForm(forward_all=ForwardAll(to="uri:skype:threecx")), "forward_all"),
        (SimpleForm(no_answer_seconds=4), "no_answer_seconds"),
    ],
)
async def test_a_page_that_leads_nowhere_is_refused(
    make_office: MakeOffice, page: SimpleForm, field: str
) -> None:
    user = await opened(make_office)
    with pytest.raises(Rejected) as refused:
        await user.set(page)
    assert refused.value.field == field


@pytest.mark.row("FWD-15", "FWD-22")
def test_the_offer_goes_with_a_number_outside_only() -> None:
    assert not ForwardAll(to="number:00612345678").offer
    assert not ForwardAll(to="number:00612345678").only_external
    assert ForwardAll(to="number:00612345678", offer=True).offer
    for target in ("voicemail", "extension:102", "uri:skype:threecx"):
        with pytest.raises(ValueError, match="offer goes with a number outside only"):
            ForwardAll(to=target, offer=True)


@pytest.mark.row("FWD-49")
@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"type": "caller_id", "action": "end"}, "needs callers or dids"),
        ({"type": "busy", "action": "end", "hours": "specific"}, "needs times in week"),
        ({"type": "busy", "action": "end", "week": {"monday": ["08:00-12:00"]}}, "needs times in week"),
        ({"type": "busy", "action": "fly"}, "should be 'busy', 'end', or begin with"),
        ({"type": "busy", "action": 7}, "should be the text of a destination"),
        ({"type": "busy", "action": "end", "callers": ["x" * 65]}, "callers"),
        ({"type": "busy", "action": "end", "callers": ["a\nb"]}, "callers"),
        ({"type": "busy", "action": "end", "callers": ["1"] * 101}, "callers"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        AdvancedForm.model_validate({"rules": [rule]})


def test_rules_do_not_grow_beyond_bounds() -> None:
    rule = {"type": "caller_id", "action": "end", "callers": [str(n) for n in range(100)]}
    AdvancedForm.model_validate({"rules": [rule] * 100})
    with pytest.raises(ValueError, match="more than 10000 pairs"):
        AdvancedForm.model_validate({"rules": [rule] * 101})
    with pytest.raises(ValueError, match="at most 1000 items"):
        AdvancedForm.model_validate({"rules": [{"type": "busy", "action": "end"}] * 1001})


# -- the black list --------------------------------------------------------------------------------


@pytest.mark.row("MYP-29", "MYP-31")
async def test_a_black_list_has_15_numbers_at_most(make_office: MakeOffice) -> None:
    user = await opened(make_office)
    switch, numbers = user.office.switch, [f"06 00 00 00 {n:02}" for n in range(MAX_LISTED)]
    for number in numbers:
        await kept.reject_caller(switch, user.extension, number)
    await kept.reject_caller(switch, user.extension, numbers[0])
    with pytest.raises(Rejected, match="the list has 15 numbers already, remove one"):
        await kept.reject_caller(switch, user.extension, "0612345678")
    assert list(user.listed) == numbers
    await kept.accept_caller(switch, user.extension, numbers[3])
    with pytest.raises(Rejected, match="is not on the list"):
        await kept.accept_caller(switch, user.extension, numbers[3])
    await kept.reject_caller(switch, user.extension, "0612345678")
    assert len(user.listed) == MAX_LISTED


@pytest.mark.parametrize("number", ["", "x" * 65, "a\r\nb", "'; DROP TABLE forwarding"])
async def test_what_no_phone_shows_is_no_number(make_office: MakeOffice, number: str) -> None:
    user = await opened(make_office)
    with pytest.raises(Rejected, match="should be a number as a phone shows it"):
        await kept.reject_caller(user.office.switch, user.extension, number)
    assert user.listed == ()


@pytest.mark.row("MYP-31")
@settings(max_examples=15)
@given(st.lists(st.tuples(st.booleans(), st.integers(100, 125)), max_size=60))
def test_whatever_is_done_to_a_black_list_it_is_what_a_plain_list_would_be(
    deeds: list[tuple[bool, int]],
) -> None:
    async def story() -> None:
        office = Office(simulation)
        await office.open()
        user, model = User(office), list[str]()
        for add, number in deeds:
            before, do = list(model), kept.reject_caller if add else kept.accept_caller
            if add and str(number) not in model:
                model.append(str(number))
            elif not add and str(number) in model:
                model.remove(str(number))
            fits = len(model) <= MAX_LISTED and (model != before or add)
            model = model if fits else before
            try:
                await do(office.switch, user.extension, str(number))
                assert fits
            except Rejected:
                assert not fits
            assert list(user.listed) == model
        await office.close()

    with Simulation(1) as simulation:
        simulation.run(story())


async def test_of_two_who_change_at_once_none_is_lost(make_office: MakeOffice) -> None:
    user = await opened(make_office)
    switch, extension = user.office.switch, user.extension
    await asyncio.gather(
        kept.reject_caller(switch, extension, "103"),
        kept.set_form(switch, extension, RULES),
        kept.reject_caller(switch, extension, "104"),
    )
    assert user.listed == ("103", "104")
    assert user.form() == RULES
