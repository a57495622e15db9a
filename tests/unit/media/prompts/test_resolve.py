"""Which file is played: own recording, sound pack, speech, other language, beep; and no fault reaches the call."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import time
from pathlib import Path

import numpy as np
import pytest

from media.prompts import resolve, spoken, synthesis
from media.prompts.resolve import Prompts
from media.prompts.synthesis import EspeakSpeech
from media.prompts.tokens import (
    AND,
    BEEP,
    CALL_BUSY,
    CONFERENCE_ENTER_ID,
    GOODBYE,
    NUMBER,
    ONE_FEMININE,
    PAUSE,
    VOCABULARY,
    Language,
)
from tests.unit.media.prompts.listener import Speaker, listen, record, samples_of

FRENCH, ENGLISH = Language.FRENCH, Language.ENGLISH

Make = Callable[..., Prompts]


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def make(tmp_path: Path, speaker: Speaker) -> Make:
    """Prompts whose folders are `own`, `pack` and `cache`; none of them is there yet."""

    def prompts(said_by: Speaker | EspeakSpeech = speaker) -> Prompts:
        return Prompts(tmp_path / "cache", own=tmp_path / "own", packs=[tmp_path / "pack"], speech=said_by)

    return prompts


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# -- the order -------------------------------------------------------------------------------------


def test_own_recordings_come_before_packs_and_packs_before_speech(tmp_path: Path, make: Make) -> None:
    speech = make().path(GOODBYE, FRENCH)
    assert speech is not None
    assert speech.parent == tmp_path / "cache"
    pack = record(tmp_path / "pack" / "fr" / "vm-goodbye.wav", [1])
    assert make().path(GOODBYE, FRENCH) == pack
    own = record(tmp_path / "own" / "fr" / "goodbye.wav", [2])
    assert make().path(GOODBYE, FRENCH) == own
    assert make().path(GOODBYE, ENGLISH) not in (own, pack, speech)


def test_packs_are_looked_through_in_order(tmp_path: Path, speaker: Speaker) -> None:
    packs = [tmp_path / "first", tmp_path / "second"]
    second = record(packs[1] / "en" / "digits" / "1.wav", [1])
    assert Prompts(tmp_path, packs=packs, speech=speaker).path(NUMBER[1], ENGLISH) == second
    first = record(packs[0] / "en" / "digits" / "1.wav", [1])
    assert Prompts(tmp_path, packs=packs, speech=speaker).path(NUMBER[1], ENGLISH) == first


@pytest.mark.parametrize("folder", ["fr", "fr_CA_f_June", "fr-armelle"])
def test_a_pack_may_name_its_voice(tmp_path: Path, make: Make, folder: str) -> None:
    for other in ("en", "fra", "french", "xfr"):
        record(tmp_path / "pack" / other / "digits" / "5.wav", [9])
    digit = record(tmp_path / "pack" / folder / "digits" / "5.wav", [1])
    assert make().path(NUMBER[5], FRENCH) == digit


def test_a_folder_with_the_plain_name_of_the_language_comes_first(tmp_path: Path, make: Make) -> None:
    for folder in ("fr-armelle", "fr_CA_f_June"):
        record(tmp_path / "pack" / folder / "digits" / "5.wav", [1])
    plain = record(tmp_path / "pack" / "fr" / "digits" / "5.wav", [1])
    assert make().path(NUMBER[5], FRENCH) == plain


def test_each_name_that_packs_use_is_tried(tmp_path: Path, make: Make) -> None:
    other = record(tmp_path / "pack" / "fr" / "vm-and.wav", [1])
    assert make().path(AND, FRENCH) == other
    usual = record(tmp_path / "pack" / "fr" / "digits" / "et.wav", [1])
    assert make().path(AND, FRENCH) == usual


def test_a_recording_made_during_operation_is_used_from_then_on(tmp_path: Path, make: Make) -> None:
    prompts = make()
    assert prompts.path(GOODBYE, FRENCH)
    own = record(tmp_path / "own" / "fr" / "goodbye.wav", [2])
    assert prompts.path(GOODBYE, FRENCH) == own


# -- speech and its cache --------------------------------------------------------------------------


def test_neighbours_that_nobody_recorded_are_spoken_in_one_breath(
    tmp_path: Path, make: Make, speaker: Speaker
) -> None:
    twenty = record(tmp_path / "pack" / "fr" / "digits" / "20.wav", [1])
    paths = make().paths(spoken.time_of_day(FRENCH, time(21, 34)), FRENCH)
    assert paths[0] == twenty
    assert len(paths) == 2
    assert speaker.spoken == [(FRENCH, "et une heures trente-quatre")]


def test_a_pause_between_recordings_is_silence_and_in_speech_a_comma(
    tmp_path: Path, make: Make, speaker: Speaker
) -> None:
    one = record(tmp_path / "pack" / "fr" / "digits" / "1.wav", [1])
    paths = make().paths([NUMBER[1], PAUSE, NUMBER[1]], FRENCH)
    assert [paths[0], paths[2]] == [one, one]
    assert listen(paths[1]) == bytes(2 * 1600)
    assert speaker.spoken == []
    make().paths([ONE_FEMININE, PAUSE, NUMBER[2]], FRENCH)
    assert speaker.spoken == [(FRENCH, "une, deux")]


def test_what_was_spoken_once_is_not_spoken_again(make: Make, speaker: Speaker) -> None:
    first = make().paths([CONFERENCE_ENTER_ID], FRENCH)
    prompts = make()
    assert (
        prompts.paths([CONFERENCE_ENTER_ID], FRENCH) == prompts.paths([CONFERENCE_ENTER_ID], FRENCH) == first
    )
    assert speaker.spoken == [(FRENCH, CONFERENCE_ENTER_ID.french)]
    assert len(listen(first[0])) == 2 * len(CONFERENCE_ENTER_ID.french)


def test_language_voice_and_text_each_make_another_file(make: Make) -> None:
    other_voice = Speaker(name="other")
    paths = [
        make().spoken("minutes", FRENCH),
        make().spoken("minutes", ENGLISH),
        make().spoken("minute", FRENCH),
        make(other_voice).spoken("minutes", FRENCH),
    ]
    assert len(set(paths)) == 4
    assert None not in paths


@pytest.mark.parametrize("damage", [b"", b"RIFF", bytes(1000)])
def test_a_cached_file_that_was_damaged_is_made_again_without_a_word(
    make: Make, speaker: Speaker, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    path = make().path(GOODBYE, FRENCH)
    assert path is not None
    path.write_bytes(damage)
    assert make().path(GOODBYE, FRENCH) == path
    assert len(listen(path)) == 2 * len(GOODBYE.french)
    assert len(speaker.spoken) == 2
    assert warnings(caplog) == []


def test_the_cache_forgets_what_was_not_used_for_longest_and_nothing_else(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "KEPT_FILES", 8)
    strange = record(tmp_path / "cache" / "a recording of yours.wav", [1])
    prompts = make()
    beep = prompts.path(BEEP, FRENCH)
    paths = [prompts.spoken(f"text {number}", FRENCH) for number in range(8)]
    for age, path in enumerate(paths):
        assert path is not None
        os.utime(path, (1000 + age, 1000 + age))
    assert prompts.spoken("text 0", FRENCH) == paths[0]  # the oldest is young again
    prompts.spoken("one more", FRENCH)
    kept = [path for path in paths if path is not None and path.exists()]
    assert kept == [paths[0], *paths[3:]]
    assert strange.exists()
    assert beep is not None
    assert beep.exists()


def test_real_speech_is_kept_as_it_was_spoken(make: Make) -> None:
    path = make(EspeakSpeech()).path(CONFERENCE_ENTER_ID, FRENCH)
    assert path is not None
    sound = samples_of(listen(path))
    assert 2 < len(sound) / 8000 < 8
    assert np.abs(sound).max() > 5000


def test_the_whole_vocabulary_has_a_sound_in_both_languages(make: Make) -> None:
    prompts = make()
    for language in Language:
        for token in VOCABULARY.values():
            path = prompts.path(token, language)
            assert path is not None
            assert listen(path)


# -- names from outside ----------------------------------------------------------------------------

HOSTILE = [
    "../../secret",
    "/etc/passwd",
    "a/b",
    "..",
    "nul\0",
    "\ud800",
    "x" * 5000,
    "$(reboot)",
    "C:\\x",
    "日本",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_in_its_folder(
    tmp_path: Path, make: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path / "secret.wav", [666])
    record(tmp_path / "own" / "names" / "b.wav", [666])
    path = make().name(name, FRENCH)
    assert path is not None
    assert path.parent == tmp_path / "cache"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["cache", "own", "secret.wav"]
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("name", "file"), [("Lee Parker", "lee%20parker"), ("100", "100"), ("../x", "%2E%2E%2Fx")]
)
def test_a_recorded_name_is_played_in_every_language(
    tmp_path: Path, make: Make, name: str, file: str
) -> None:
    own = record(tmp_path / "own" / "names" / f"{file}.wav", [1])
    assert make().name(name, FRENCH) == own
    assert make().name(name, ENGLISH) == own


@pytest.mark.parametrize("name", ["", " ", "\x01", "!?"])
def test_a_name_that_cannot_be_pronounced_is_nothing(
    make: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert make(EspeakSpeech()).name(name, FRENCH) is None
    assert warnings(caplog) == []


# -- faults ----------------------------------------------------------------------------------------


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


def make_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(path)


def make_rubbish(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no sound")


def make_music(path: Path) -> None:
    record(path, [1], rate_hz=44_100)


@pytest.mark.parametrize("fault", [make_folder, make_pipe, make_loop, make_rubbish, make_music])
@pytest.mark.parametrize("folder", ["own/fr/goodbye.wav", "pack/fr/vm-goodbye.wav"])
def test_a_file_that_cannot_be_played_is_named_once_and_the_next_best_is_played(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture, folder: str, fault: Callable[[Path], None]
) -> None:
    fault(tmp_path / folder)
    prompts = make()
    for _ in range(3):
        path = prompts.path(GOODBYE, FRENCH)
        assert path is not None
        assert path.parent == tmp_path / "cache"
    assert len(warnings(caplog)) == 1
    assert str(tmp_path / folder) in warnings(caplog)[0]


@pytest.mark.parametrize("fault", [make_pipe, make_loop, make_rubbish])
def test_folders_that_are_no_folders_do_no_harm(
    tmp_path: Path, make: Make, fault: Callable[[Path], None]
) -> None:
    fault(tmp_path / "x" / "own")
    prompts = Prompts(
        tmp_path / "c", own=tmp_path / "x" / "own", packs=[tmp_path / "x" / "own"], speech=Speaker()
    )
    assert prompts.path(GOODBYE, FRENCH)
    assert prompts.name("Lee", FRENCH)


def test_without_a_voice_the_other_language_is_spoken(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker(FRENCH)
    prompts = make(speaker)
    first, second = (prompts.paths([GOODBYE, CALL_BUSY], FRENCH) for _ in range(2))
    assert first == second
    assert len(listen(first[0])) == 2 * len(f"{GOODBYE.english} {CALL_BUSY.english}")
    assert warnings(caplog) == ["no speech for prompts: no voice for fr"]


def test_without_any_voice_the_other_language_is_played_from_recordings(tmp_path: Path, make: Make) -> None:
    english = record(tmp_path / "pack" / "en" / "vm-goodbye.wav", [1])
    french = record(tmp_path / "pack" / "fr" / "digits" / "5.wav", [1])
    prompts = make(Speaker(FRENCH, ENGLISH))
    assert prompts.paths([NUMBER[5], GOODBYE], FRENCH) == [french, english]


def test_without_any_voice_or_recording_there_is_one_beep(make: Make) -> None:
    prompts = make(Speaker(FRENCH, ENGLISH))
    paths = prompts.paths([GOODBYE, CALL_BUSY, NUMBER[5]], FRENCH)
    assert paths == prompts.paths([BEEP], ENGLISH)
    sound = samples_of(listen(paths[0]))
    assert 0.1 < len(sound) / 8000 < 0.5
    assert np.argmax(np.abs(np.fft.rfft(sound, 8000))) == 1000


def test_without_the_library_there_are_beeps_and_one_line_in_the_log(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(synthesis, "_loaded", [])
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    prompts = make(EspeakSpeech())
    beep = prompts.path(BEEP, FRENCH)
    assert all(prompts.path(token, FRENCH) == beep for token in (GOODBYE, CALL_BUSY))
    assert prompts.name("Lee", FRENCH) is None
    assert len(warnings(caplog)) == 1
    assert "espeakng_loader" in warnings(caplog)[0]


@pytest.mark.parametrize("cache", ["file", "file/cache", "\0"])
def test_with_nothing_at_all_nothing_is_played_and_nothing_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cache: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    prompts = Prompts(tmp_path / cache, own=tmp_path / "file", packs=[tmp_path / "\0"], speech=Speaker())
    for _ in range(3):
        assert prompts.paths([GOODBYE, PAUSE, BEEP], FRENCH) == []
        assert prompts.path(BEEP, FRENCH) is None
        assert prompts.name("Lee", FRENCH) is None
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith(f"no prompt can be kept in {tmp_path / cache}: ")


def test_nothing_to_say_is_nothing_to_play(make: Make) -> None:
    assert make().paths([], FRENCH) == []
