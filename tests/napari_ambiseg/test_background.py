"""Work beside the window comes to its end, and whoever began it learns how, also when the window is closed."""

import threading

import pytest

from napari_ambiseg.background import Background
from training.errors import ConfigError


@pytest.fixture
def ends():
    return []


@pytest.fixture
def background(ends):
    return Background(
        "ambiseg-test", lambda: ends.append("done"), lambda: ends.append("cancelled"), lambda error: ends.append(error)
    )


def failing(error):
    yield 0.5
    raise error


def test_closing_delivers_an_end_that_nobody_polled(background, ends):
    background.start(iter_of(1.0))
    background.close()
    assert ends == ["done"]
    assert not background.busy
    background.close()
    assert ends == ["done"]


def test_closing_delivers_an_error_and_writes_it_to_the_log(background, ends, caplog):
    error = ConfigError("cannot write x: disk full")
    background.start(failing(error))
    background._thread.join()
    background.close()
    assert ends == [error]
    assert "ambiseg-test: cannot write x: disk full" in caplog.text


def test_a_bug_at_the_close_is_logged_with_its_traceback_and_stops_nothing(background, ends, caplog):
    background.start(failing(RuntimeError("bug")))
    background._thread.join()
    background.close()
    assert ends == []
    assert "RuntimeError: bug" in caplog.text
    assert not background.busy


def test_closing_cancels_what_can_be_cancelled(background, ends):
    left = []

    def work():
        try:
            for _ in range(10**6):
                yield 0.1
        finally:
            left.append("left")

    background.start(work())
    background.close()
    assert (ends, left) == (["cancelled"], ["left"])


def test_a_thread_says_whose_it_is(background):
    names = []

    def work():
        names.append(threading.current_thread().name)
        yield 1.0

    background.start(work())
    background.close()
    assert names == ["ambiseg-test"]


def iter_of(*shares):
    yield from shares
