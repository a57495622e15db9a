"""The vocabulary: everything can be said in both languages, under names that are safe as file names."""

from __future__ import annotations

import re

import pytest

from features.voicemail import phrases
from media.prompts import tokens
from media.prompts.tokens import PAUSE, VOCABULARY, Language, Noun, Token, written


@pytest.mark.parametrize("language", list(Language), ids=lambda language: language.value)
def test_every_token_has_a_text_in_every_language(language: Language) -> None:
    texts = {token: token.text(language) for token in VOCABULARY.values()}
    assert [token.name for token, text in texts.items() if not text or text != text.strip()] == []
    unpronounced = [token for token, text in texts.items() if not re.search(r"[a-zà-ÿ]", text)]
    assert unpronounced == [PAUSE]
    assert [token.name for token, text in texts.items() if re.search(r"[<>\[\]0-9]", text)] == []


def test_names_and_pack_files_are_safe_as_paths() -> None:
    name, pack = r"[a-z0-9]+([._][a-z0-9_]+)*", r"([a-z]+/)?[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
    assert [token.name for token in VOCABULARY.values() if not re.fullmatch(name, token.name)] == []
    files = [file for token in VOCABULARY.values() for file in token.packs]
    assert [file for file in files if not re.fullmatch(pack, file)] == []


def test_every_token_of_the_module_is_in_the_vocabulary_under_its_name() -> None:
    found: list[Token] = []
    for value in (*vars(tokens).values(), *vars(phrases).values()):  # a feature brings its own
        if isinstance(value, Token):
            found.append(value)
        elif isinstance(value, Noun):
            found += value.singular + value.plural
    assert len(found) > 50
    assert all(VOCABULARY[token.name] is token for token in found)
    assert all(token.name == name for name, token in VOCABULARY.items())


def test_the_two_languages_differ_in_every_sentence() -> None:
    same = {token.french for token in VOCABULARY.values() if token.french == token.english}
    assert same == {",", "six", "million", "message", "messages", "minute", "minutes", "plus"}


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("fr", Language.FRENCH),
        ("fr-CA", Language.FRENCH),
        ("FR_be", Language.FRENCH),
        ("en", Language.ENGLISH),
        ("en-GB-oxendict", Language.ENGLISH),
        ("de", None),
        ("frr", None),
        ("", None),
        ("../fr", None),
    ],
)
def test_a_language_tag_names_a_language_that_we_speak_or_none(tag: str, language: Language | None) -> None:
    assert Language.of(tag) is language


def test_nothing_is_written_as_nothing() -> None:
    assert written([], Language.FRENCH) == ""


def test_a_pause_is_a_comma() -> None:
    one = tokens.NUMBER[1]
    assert written([one, PAUSE, one], Language.ENGLISH) == "one, one"
