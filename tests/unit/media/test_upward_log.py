"""Records of a media process go up, whatever thread they are of, and whenever there is a way."""

from __future__ import annotations

import logging
import threading

from media.upward_log import MOST_EARLY, LogLine, UpwardLog
from tests.unit.sipcore.net.loopback import run, until


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("media.test", logging.INFO, __file__, 1, "%s", (text,), None)


def test_early_records_wait_for_a_way_but_not_without_end() -> None:
    sent: list[LogLine] = []
    log = UpwardLog()
    for index in range(MOST_EARLY + 1):
        log.handle(record(str(index)))

    async def story() -> None:
        log.begin(sent.append)
        log.handle(record("later"))

    run(story())
    assert [line.text for line in sent] == [*map(str, range(MOST_EARLY)), "later"]
    assert sent[0] == LogLine("media.test", logging.INFO, "0")


def test_what_another_thread_says_is_sent_by_the_thread_of_the_loop() -> None:
    sent: list[tuple[str, int]] = []
    log = UpwardLog()

    async def story() -> None:
        log.begin(lambda line: sent.append((line.text, threading.get_ident())))
        thread = threading.Thread(target=log.handle, args=(record("from a thread"),))
        thread.start()
        thread.join()
        await until(lambda: sent)

    run(story())
    assert sent == [("from a thread", threading.get_ident())]
    thread = threading.Thread(target=log.handle, args=(record("too late"),))  # the loop is closed
    thread.start()
    thread.join()
    assert len(sent) == 1
