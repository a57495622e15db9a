"""What is parsed again and again is remembered; what a stranger sends at length is not."""

from __future__ import annotations

import pytest

from sipcore.syntax.remember import MAX_CHARACTERS, MAX_PARAMETERS, kept, remembered


def test_short_texts_are_parsed_once_and_long_ones_each_time() -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    short, long = "x" * MAX_CHARACTERS, "x" * (MAX_CHARACTERS + 1)
    assert [parse(short), parse(short), parse(long), parse(long)] == [len(short)] * 2 + [len(long)] * 2
    assert parsed == [short, long, long]


@pytest.mark.parametrize("separator", ";&")
def test_a_text_of_many_parameters_is_parsed_each_time(separator: str) -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    few, many = "x" + f"{separator}a" * MAX_PARAMETERS, "x" + f"{separator}a" * (MAX_PARAMETERS + 1)
    assert [parse(few), parse(few), parse(many), parse(many)] == [len(few)] * 2 + [len(many)] * 2
    assert parsed == [few, many, many]


@pytest.mark.parametrize("piece", ["é", "\U0001f600", "é;", "\U0001f600&"])
def test_a_text_whose_characters_take_more_is_remembered_up_to_half_of_that(piece: str) -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    most = MAX_CHARACTERS // 2 if len(piece) == 1 else MAX_PARAMETERS // 2
    kept, anew = piece * most, piece * (most + 1)
    assert [parse(kept), parse(kept), parse(anew), parse(anew)] == [len(kept)] * 2 + [len(anew)] * 2
    assert parsed == [kept, anew, anew]


def test_no_more_texts_are_remembered_than_were_asked_for() -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    texts = [f"text {number}" for number in range(21)]
    for text in texts:
        parse(text)
    assert parsed == texts
    parse(texts[20])
    parse(texts[10])
    assert parsed == texts, "the last ten, and the ten before them, are known"
    parse(texts[9])
    assert parsed == [*texts, texts[9]], "those before were forgotten"


def test_what_is_asked_for_again_and_again_stays() -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    for number in range(100):
        parse(f"text {number}")
        parse("the same")
    assert parsed.count("the same") == 1


def test_what_is_kept_is_worked_out_once_unless_somebody_knows_it_or_it_is_forgotten() -> None:
    asked: list[object] = []

    class Sum:
        @kept
        def total(self) -> int:
            """Of what there is."""
            asked.append(self)
            return 3

    one, other = Sum(), Sum()
    assert (one.total, one.total, asked) == (3, 3, [one])
    other.total = 5
    assert (other.total, asked) == (5, [one])
    del other.__dict__["total"]
    assert (other.total, asked) == (3, [one, other])
    assert isinstance(Sum.total, kept)
