"""Live data that are exported and imported again are the same, whatever they are."""

from __future__ import annotations

import tomllib
from functools import partial
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.config import parse
from pbx.forwarding.file import brought_in_rules
from pbx.forwarding.rules import AdvancedForm, Rule
from pbx.forwarding.simple import SimpleForm
from pbx.live_data import Report, revise, seed
from pbx.live_file import brought_in, exported
from pbx.store.forwarding import Row, all_rows, put
from pbx.store.store import Store
from tests.property.test_forwarding_rules import rules, simple_forms

NUMBERS = ("100", "101", "102", "103")

names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20)
times = st.sampled_from([(), ("08:30-12:00",), ("00:00-06:00", "22:00-24:00")])


def given_or_not(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A table with some of its keys."""
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def extensions(draw: st.DrawFn, number: str) -> dict[str, Any]:
    others = st.sampled_from([each for each in NUMBERS if each != number])
    forward = given_or_not(always=others, busy=others, no_answer=others, not_registered=others)
    keys = given_or_not(
        first_name=names,
        last_name=names,
        sip_id=st.sampled_from([f"ext{number}", f"someone-{number}"]),
        outbound_caller_id=st.sampled_from(["", "+33140000001"]),
        withhold_number=st.booleans(),
        no_answer_seconds=st.floats(1, 300),
        busy_detection=st.sampled_from(["pbx", "phone"]),
        forward=forward,
        manager=st.booleans(),
        barge_in=st.booleans(),
    )
    return {"number": number, "password": draw(st.text("abc", min_size=1))} | draw(keys)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    members = st.lists(st.sampled_from(NUMBERS), unique=True)
    group = given_or_not(extensions=members, heads=members, sees_ports=st.booleans())
    gateway = given_or_not(max_calls=st.integers(0, 9), dial_prefix=st.sampled_from(["", "00"]))
    rule = given_or_not(
        prefix=st.sampled_from(["0", "+"]), strip=st.integers(0, 1), groups=st.just(["group 0"])
    )
    inbound = given_or_not(name=names, did=st.sampled_from(["+33140000001", "+3314*"]))
    trunks = [
        {"name": f"trunk{index}", "addresses": [f"192.0.2.{index + 1}"]} | keys
        for index, keys in enumerate(draw(st.lists(gateway, max_size=2)))
    ]
    named = [trunk["name"] for trunk in trunks]
    return {
        "dialing": {"country": "FR"},
        "extensions": [draw(extensions(number)) for number in NUMBERS],
        "groups": [
            {"name": f"group {n}"} | keys
            for n, keys in enumerate(draw(st.lists(group, min_size=1, max_size=3)))
        ],
        "office_hours": draw(given_or_not(monday=times, sunday=times, holidays=st.just(["12-25"]))),
        "trunks": trunks,
        "outbound_rules": [{"trunks": named} | keys for keys in draw(st.lists(rule, max_size=2))]
        if named
        else [],
        "inbound_rules": [{"target": "100"} | keys for keys in draw(st.lists(inbound, max_size=2))],
    }


@settings(max_examples=40)
@given(configurations())
def test_what_is_exported_and_imported_is_the_same(data: dict[str, Any]) -> None:
    config = parse(data)
    store = Store.in_memory(partial(seed, config))
    file = tomllib.loads(tomli_w.dumps(store.read(exported)))
    again = brought_in(file, replace=True)
    assert store.begin(partial(revise, config, again)) == Report()
    other = Store.in_memory()
    other.begin(partial(revise, config, again))
    assert other.read(exported) == store.read(exported)
    for each in (store, other):
        each.abandon()


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(NUMBERS), st.one_of(simple_forms, st.lists(rules(), max_size=5), st.none())
    ),
    st.lists(st.from_regex(r"\+?[0-9]{3,9}", fullmatch=True), unique=True, max_size=3),
    st.booleans(),
)
def test_what_users_have_set_is_exported_and_imported_too(
    forms: dict[str, SimpleForm | list[Rule] | None], rejected: list[str], anonymous: bool
) -> None:
    people = [{"number": number, "password": "a"} for number in NUMBERS]
    stores = [Store.in_memory(partial(seed, parse({"extensions": people}))) for _ in range(2)]
    for number, form in forms.items():
        simple = isinstance(form, SimpleForm)
        whole = AdvancedForm(rules=tuple(form)) if isinstance(form, list) else form
        interface = None if whole is None else "simple" if simple else "advanced"
        dumped = None if whole is None else whole.model_dump(mode="json")
        stores[0].begin(partial(put, number, Row(interface, dumped, tuple(rejected), anonymous)))
    file = tomllib.loads(tomli_w.dumps(stores[0].read(exported)))
    stores[1].begin(brought_in_rules(file))
    assert stores[1].read(all_rows) == stores[0].read(all_rows)
    for each in stores:
        each.abandon()
