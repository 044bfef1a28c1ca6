"""What a run says of itself: a line with the time that is left, and a rate that leaves pauses out."""

import pytest

from training.fit import progress as module
from training.fit.progress import Pace, Progress, duration


def test_progress_tells_the_time_left_in_a_line():
    progress = Progress(150, 400, 0.25, 1.0, 1e-3, steps_per_second=2.0, skipped=1, validation_ged=0.3456)
    assert progress.seconds_left == 125
    assert progress.line() == "step 150/400  loss 0.2500  GED 0.346  1 skipped  2.00 steps/s  2 min 05 s left"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_the_rate_leaves_pauses_out_and_begins_anew(clock):
    pace = Pace()
    for _ in range(6):
        pace.count()
    clock[0] += 1
    with pace.paused():
        clock[0] += 50
    clock[0] += 2
    assert pace.steps_per_second == 2
    pace.begin()
    pace.count()
    clock[0] += 4
    assert pace.steps_per_second == 0.25


def test_a_clock_that_stands_still_gives_a_rate_all_the_same(clock):
    pace = Pace()
    pace.count()
    assert pace.steps_per_second == pytest.approx(1e9)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 min 00 s"), (59.6, "1 min 00 s"), (754, "12 min 34 s"), (34_423, "9 h 33 min"), (279_000, "3 d 05 h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, words):
    assert duration(seconds) == words
