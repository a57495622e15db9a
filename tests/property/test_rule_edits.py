"""Rules that are added, changed, deleted and moved on a page, against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pbx.destinations import ExtensionNumber, Voicemail
from pbx.forwarding.edits import (
    Add,
    Button,
    Delete,
    Edit,
    EditError,
    Move,
    Page,
    Update,
    blank,
    choose,
    edited,
    page,
    press,
)
from pbx.forwarding.rules import MAX_RULES, AdvancedForm, Rule, RuleType

OWN = "100"
rules = st.integers(101, 120).map(
    lambda number: Rule(type=RuleType.BUSY, action=ExtensionNumber(str(number)))
)
places = st.integers(0, 9)


class Editing(RuleBasedStateMachine):
    """What a user presses."""

    @initialize(given=st.lists(rules, max_size=4))
    def begin(self, given: list[Rule]) -> None:
        self.page = page(AdvancedForm(rules=tuple(given)), OWN)
        self.model = list(self.page.form.rules)
        self.ids = {each.id for each in self.model}

    @rule(place=places)
    def choose(self, place: int) -> None:
        if place < len(self.model):
            self.page = choose(self.page, self.model[place].id)
            assert self.page.entry == self.model[place]

    @rule(entry=rules)
    def fill_in(self, entry: Rule) -> None:
        self.page = Page(self.page.form, entry, self.page.chosen)

    @rule()
    def add(self) -> None:
        self.page = press(self.page, Button.ADD, OWN)
        added = self.page.form.rules[-1]
        assert added.id not in self.ids
        self.ids.add(added.id)
        self.model.append(self.page.entry.model_copy(update={"id": added.id}))

    @rule(button=st.sampled_from([Button.UPDATE, Button.DELETE, Button.UP, Button.DOWN]))
    def change(self, button: Button) -> None:
        chosen = self.page.chosen
        if chosen is None:
            with pytest.raises(EditError):
                press(self.page, button, OWN)
            return
        at = next(place for place, each in enumerate(self.model) if each.id == chosen)
        self.page = press(self.page, button, OWN)
        if button is Button.UPDATE:
            self.model[at] = self.page.entry.model_copy(update={"id": chosen})
        elif button is Button.DELETE:
            del self.model[at]
        else:
            other = max(0, min(len(self.model) - 1, at + (1 if button is Button.DOWN else -1)))
            self.model[at], self.model[other] = self.model[other], self.model[at]

    @rule()
    def clear(self) -> None:
        before = self.page.form
        self.page = press(self.page, Button.CLEAR, OWN)
        assert (self.page.form, self.page.entry, self.page.chosen) == (before, blank(OWN), None)

    @invariant()
    def the_table_is_that_of_the_model(self) -> None:
        assert list(self.page.form.rules) == self.model


TestEditing = pytest.mark.row("FWD-61", "FWD-62", "FWD-66")(Editing.TestCase)


@pytest.mark.row("FWD-61", "FWD-62")
@given(st.data())
def test_two_editors_change_what_each_means(data: st.DataObject) -> None:
    """Each has looked at the list, and their changes come in some order; who is too late for a rule is told so."""
    seen = AdvancedForm(rules=tuple(data.draw(st.lists(rules, min_size=1, max_size=5))))
    ids = st.sampled_from([each.id for each in seen.rules])
    edits: st.SearchStrategy[Edit] = st.one_of(
        st.builds(Add, rules, st.none() | places),
        st.builds(Update, ids, rules),
        st.builds(Delete, ids),
        st.builds(Move, ids, st.sampled_from([-2, -1, 1, 2])),
    )
    form, said = seen, {each.id: each.action for each in seen.rules}
    for edit in data.draw(st.lists(edits, max_size=8)):
        if not isinstance(edit, Add) and edit.id not in said:
            with pytest.raises(EditError):
                edited(form, edit)
            continue
        before, form = form, edited(form, edit)
        match edit:
            case Add(added):
                [new] = {each.id for each in form.rules} - {each.id for each in before.rules}
                assert new > max((each.id for each in seen.rules), default=0)
                said[new] = added.action
            case Update(id_, other):
                said[id_] = other.action
            case Delete(id_):
                del said[id_]
        assert {each.id: each.action for each in form.rules} == said
        kept = [each.id for each in before.rules if each.id in said and not _is_about(edit, each.id)]
        assert [each.id for each in form.rules if each.id in kept] == kept  # all others stay in their order


def _is_about(edit: Edit, id_: int) -> bool:
    return not isinstance(edit, Add) and edit.id == id_


def test_there_is_an_end_of_adding() -> None:
    one = Rule(type=RuleType.BUSY, action=Voicemail(OWN))
    full = AdvancedForm(rules=(one,) * MAX_RULES)
    with pytest.raises(EditError, match="1000 rules already"):
        edited(full, Add(one))


@pytest.mark.parametrize("ids", [(1, 1), (3, 0, 3)])
def test_an_id_is_that_of_one_rule(ids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each id once"):
        AdvancedForm(rules=tuple(Rule(type=RuleType.BUSY, action=Voicemail(OWN), id=each) for each in ids))
