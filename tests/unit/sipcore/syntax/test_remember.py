"""What is parsed again and again is remembered; what a stranger sends at length is not."""

from __future__ import annotations

from sipcore.syntax.remember import MAX_CHARACTERS, remembered


def test_short_texts_are_parsed_once_and_long_ones_each_time() -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    short, long = "x" * MAX_CHARACTERS, "x" * (MAX_CHARACTERS + 1)
    assert [parse(short), parse(short), parse(long), parse(long)] == [len(short)] * 2 + [len(long)] * 2
    assert parsed == [short, long, long]


def test_no_more_texts_are_remembered_than_were_asked_for() -> None:
    parsed: list[str] = []

    @remembered(10)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(text)

    texts = [f"text {number}" for number in range(11)]
    for text in [*texts, texts[-1], texts[0]]:
        parse(text)
    assert parsed == [*texts, texts[0]]  # the eleventh took the place of the others
