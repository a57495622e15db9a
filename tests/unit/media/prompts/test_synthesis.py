"""Speech: what is spoken has the length and loudness of speech, and any text is only ever a text."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.prompts import synthesis
from media.prompts.synthesis import LONGEST_TEXT, EspeakSpeech, SynthesisError
from media.prompts.tokens import PAUSE, VOCABULARY, Language
from tests.unit.media.prompts.listener import Samples, samples_of

FRENCH, ENGLISH = Language.FRENCH, Language.ENGLISH
SENTENCE = "Vous avez trois nouveaux messages"


@pytest.fixture
def speech() -> EspeakSpeech:
    return EspeakSpeech()


def said(speech: EspeakSpeech, text: str, language: Language = FRENCH) -> Samples:
    return samples_of(speech.speak(text, language))


def likeness(one: Samples, other: Samples) -> float:
    """Of loudness in 16 bands at 40 moments, 0 to 1: breath and tremor of a voice are random."""
    pictures = []
    for sound in (one, other):
        spectrum = np.array([np.abs(np.fft.rfft(part, 512)) for part in np.array_split(sound, 40)])
        picture = np.array([band.sum(axis=1) for band in np.array_split(spectrum, 16, axis=1)])
        pictures.append(picture.ravel() / np.linalg.norm(picture))
    return float(pictures[0] @ pictures[1])


@pytest.mark.parametrize("language", list(Language), ids=lambda language: language.value)
def test_every_token_is_spoken_at_a_speed_one_can_follow(speech: EspeakSpeech, language: Language) -> None:
    for token in VOCABULARY.values():
        text = token.text(language)
        if token is PAUSE:
            continue
        sound = said(speech, text, language)
        assert 0.1 + 0.03 * len(text) < len(sound) / 8000 < 0.8 + 0.13 * len(text), token.name
        assert 4000 < np.abs(sound).max() < 30_000, token.name
        assert 800 < np.sqrt(np.mean(sound**2)) < 5000, token.name


def test_different_texts_and_languages_sound_different_and_the_same_text_the_same(
    speech: EspeakSpeech,
) -> None:
    first, again, other = (said(speech, text) for text in (SENTENCE, SENTENCE, "Au revoir, et à bientôt"))
    assert likeness(first, again) > 0.97
    assert likeness(first, other) < 0.8
    assert likeness(first, said(speech, SENTENCE, ENGLISH)) < 0.8


def test_a_voice_may_be_chosen(speech: EspeakSpeech) -> None:
    other = EspeakSpeech({FRENCH: "fr-be+f3"})
    assert likeness(said(speech, SENTENCE), said(other, SENTENCE)) < 0.92
    assert other.voice(FRENCH) != speech.voice(FRENCH)
    assert other.voice(ENGLISH) == speech.voice(ENGLISH)


@pytest.mark.parametrize("text", ["", " \n", ",", "...", "\x00", "\ud800", "\x01\x02", "<>", "—"])
def test_what_cannot_be_pronounced_is_nothing(speech: EspeakSpeech, text: str) -> None:
    assert speech.speak(text, FRENCH) == b""


@pytest.mark.parametrize(
    ("hostile", "plain"),
    [
        ("bonjour \x01400Smonsieur", "bonjour 400Smonsieur"),  # an embedded command: speed
        ("bonjour\x00 monsieur", "bonjour monsieur"),
        ("bon\ue000jour", "bon jour"),
    ],
)
def test_commands_to_the_library_are_spaces(speech: EspeakSpeech, hostile: str, plain: str) -> None:
    assert len(said(speech, hostile)) == pytest.approx(len(said(speech, plain)), rel=0.02)


@pytest.mark.parametrize("text", ["<break time='9s'/> bonjour", "<prosody rate='x-slow'>bonjour</prosody>"])
def test_markup_is_read_out_and_not_obeyed(speech: EspeakSpeech, text: str) -> None:
    words = text.translate({ord(mark): " " for mark in "<>/='"})
    assert len(said(speech, text)) == pytest.approx(len(said(speech, words)), rel=0.5)
    assert len(said(speech, text)) > 1.5 * len(said(speech, "bonjour"))


def test_phonemes_in_brackets_are_read_out(speech: EspeakSpeech) -> None:
    phonemes, plain = (said(speech, text, ENGLISH) for text in ("[[w'V2n tu: Tri: fo@ faIv]]", "[[one]]"))
    assert len(phonemes) > 2 * len(plain)


def test_a_long_text_is_cut(speech: EspeakSpeech) -> None:
    whole = said(speech, "bon " * (LONGEST_TEXT // 4))
    assert len(said(speech, "bon " * LONGEST_TEXT)) == pytest.approx(len(whole), rel=0.02)


@settings(max_examples=50)
@given(text=st.text(max_size=60), language=st.sampled_from(Language))
def test_any_text_is_sound_or_nothing(text: str, language: Language) -> None:
    pcm = EspeakSpeech().speak(text, language)
    assert len(pcm) % 2 == 0
    assert bool(pcm) <= any(character.isalnum() for character in text)


def test_threads_may_speak_at_once(speech: EspeakSpeech) -> None:
    texts = [("bonjour " * (1 + index % 5), list(Language)[index % 2]) for index in range(16)]
    alone = [len(said(speech, *text)) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = [len(sound) for sound in pool.map(lambda text: said(speech, *text), texts)]
    assert together == pytest.approx(alone, rel=0.02)


@pytest.mark.parametrize(
    "voice", ["", "xx", "fr/../../en", "../fr", "fr+../f2", "fr\0", "fr\n", "/etc/passwd", "été"]
)
def test_a_voice_that_is_not_there_is_named(voice: str) -> None:
    with pytest.raises(SynthesisError) as caught:
        EspeakSpeech({FRENCH: voice}).speak("bonjour", FRENCH)
    assert repr(voice) in str(caught.value)


def test_a_failure_leaves_other_voices_alone() -> None:
    half = EspeakSpeech({FRENCH: "xx"})
    with pytest.raises(SynthesisError):
        half.speak("bonjour", FRENCH)
    assert half.speak("hello", ENGLISH)


# -- without the library ---------------------------------------------------------------------------


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "_loaded", [])


@pytest.mark.usefixtures("not_loaded")
def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SynthesisError, match="cannot be loaded: import of espeakng_loader"):
        EspeakSpeech().speak("bonjour", FRENCH)


@pytest.mark.usefixtures("not_loaded")
@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_library_that_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    library = tmp_path / "libespeak-ng.so"
    if content is not None:
        library.write_bytes(content)
    module = ModuleType("espeakng_loader")
    module.get_library_path = lambda: str(library)  # type: ignore[attr-defined]
    module.get_data_path = lambda: str(tmp_path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "espeakng_loader", module)
    with pytest.raises(SynthesisError, match=f"cannot be loaded: {library}"):
        EspeakSpeech().speak("bonjour", FRENCH)
