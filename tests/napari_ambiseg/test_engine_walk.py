"""A walk in the sampling process, steered by the viewer: held, stepped, cancelled, not looked at; and estimates."""

import math
import time

import pytest

from napari_ambiseg.engine import Engine
from napari_ambiseg.messages import (
    Cancelled,
    Devices,
    Estimate,
    Failed,
    Finished,
    Loaded,
    Noted,
    Paused,
    Progressed,
    Stepped,
)

from .fake_engine import FAKE, collect, request, wanted


@pytest.fixture
def engine():
    engine = Engine(FAKE)
    yield engine
    engine.stop()


def kinds(answers):
    return [type(answer) for answer in answers]


def silence(engine, seconds=0.3):
    """What comes within a while."""
    time.sleep(seconds)
    return engine.poll()


def test_cancel_takes_effect_within_one_network_call(engine):
    """A state takes two calls of 0.3 s each; the answer must not wait for the second one."""
    engine.start(request("sluggish", steps=200))
    collect(engine, Stepped)
    time.sleep(0.05)  # into the first call of the next state
    engine.cancel()
    started = time.monotonic()
    answers = collect(engine)
    assert kinds(answers) == [Cancelled]
    assert time.monotonic() - started < 0.5
    assert not engine.busy


def test_a_pause_holds_the_walk_and_resume_goes_on_to_the_same_end(engine):
    engine.start(request("slow", steps=12))
    collect(engine, Stepped)
    engine.pause()
    *steps, paused = collect(engine, Paused)
    before = [step.index for step in steps if isinstance(step, Stepped)]
    assert paused.index == (before[-1] if before else 0)
    assert silence(engine) == []
    assert engine.busy
    engine.resume()
    answers = collect(engine)
    assert [answer.index for answer in answers if isinstance(answer, Stepped)] == list(range(paused.index + 1, 13))
    assert isinstance(answers[-1], Finished)
    assert answers[-1].masks.all()


def test_the_time_that_a_walk_is_held_does_not_count(engine):
    engine.start(request("slow", steps=3))
    collect(engine, Stepped)
    engine.pause()
    collect(engine, Paused)
    time.sleep(1.0)
    engine.resume()
    assert collect(engine)[-1].seconds < 0.9


def test_step_once_goes_one_state_on_and_holds_again(engine):
    engine.start(request("slow", steps=50))
    engine.pause()
    at = collect(engine, Paused)[-1].index
    for expected in (at + 1, at + 2):
        engine.step_once()
        answers = collect(engine, Paused)
        assert [answer.index for answer in answers] == [expected, expected]
        assert kinds(answers) == [Stepped, Paused]
    assert silence(engine) == []


def test_step_once_of_a_long_walk_goes_to_the_next_state_that_is_kept(engine):
    engine.start(request("slow", steps=100, max_frames=21))  # a quick one may have ended before the pause comes
    engine.pause()
    at = collect(engine, Paused)[-1].index
    engine.step_once()
    *_, stepped, paused = collect(engine, Paused)
    assert isinstance(stepped, Stepped)
    assert stepped.index == paused.index == (at // 5 + 1) * 5


def test_a_walk_that_is_held_can_be_cancelled_and_superseded(engine):
    engine.start(request("slow", steps=50))
    engine.pause()
    collect(engine, Paused)
    engine.cancel()
    assert isinstance(collect(engine)[-1], Cancelled)
    engine.start(request("slow", steps=50))
    engine.pause()
    collect(engine, Paused)
    newest = engine.start(request("quick", seed=9))
    *_, finished = collect(engine)
    assert (finished.generation, finished.provenance["model"]) == (newest, "quick")


def test_a_pause_of_an_older_request_does_not_hold_the_next_one(engine):
    engine.start(request("slow", steps=50))
    collect(engine, Stepped)
    engine.pause()
    engine.start(request("quick"))
    assert isinstance(collect(engine)[-1], Finished)


def test_while_nobody_looks_the_states_come_at_the_end(engine):
    engine.start(request("quick", watched=False))
    loaded, *answers = collect(engine)
    assert loaded.frames == (0, 1, 2, 3, 4, 5)
    assert kinds(answers) == [Progressed] * 5 + [Stepped] * 6 + [Finished]
    assert [answer.index for answer in answers[:5]] == [0, 1, 2, 3, 4]
    assert [answer.index for answer in answers[5:-1]] == [0, 1, 2, 3, 4, 5]


def test_who_looks_again_gets_what_was_missed_first(engine):
    engine.start(request("slow", steps=60, watched=False))
    answers = collect(engine, Progressed)
    engine.watch(True)
    answers += collect(engine, Stepped)
    missed = max(answer.index for answer in answers if isinstance(answer, Progressed))
    answers += collect(engine, Stepped)
    engine.watch(False)
    shown = [answer.index for answer in answers if isinstance(answer, Stepped)]
    assert shown == list(range(len(shown)))
    assert len(shown) > missed + 1


def test_a_cancelled_walk_that_nobody_looked_at_can_be_looked_at(engine):
    engine.start(request("slow", steps=60, watched=False))
    collect(engine, Progressed)
    engine.cancel()
    answers = collect(engine)
    shown = [answer.index for answer in answers if isinstance(answer, Stepped)]
    assert shown
    assert shown == list(range(len(shown)))
    assert isinstance(answers[-1], Cancelled)


def test_that_memory_ran_out_is_told_at_each_halving_and_the_masks_come(engine):
    engine.start(request("hungry"))
    answers = collect(engine)
    assert [answer.text for answer in answers if isinstance(answer, Noted)] == [
        "memory ran out with 4 samples at once; going on with 2",
        "memory ran out with 1 samples at once; going on with 0",
    ]
    assert isinstance(answers[-1], Finished)


def test_what_a_warm_model_notes_belongs_to_the_request_under_way(engine):
    engine.start(request("hungry"))
    collect(engine)
    second = engine.start(request("hungry"))
    noted = [answer for answer in collect(engine) if isinstance(answer, Noted)]
    assert [answer.generation for answer in noted] == [second, second]


def test_the_memory_that_the_gpu_keeps_comes_with_the_masks(engine):
    engine.start(request())
    assert collect(engine)[-1].device_bytes == 7


def test_the_memory_of_the_process_is_known_while_there_is_one(engine):
    assert engine.held_bytes() == 0
    engine.start(request())
    collect(engine)
    assert 5e6 < engine.held_bytes() < 5e8
    engine.stop()
    assert engine.held_bytes() == 0


# -- estimates -------------------------------------------------------------------------------------------------------


def test_an_estimate_says_how_long_how_many_at_once_and_of_what(engine):
    engine.ask_devices()
    wish = wanted(n=3, steps=5)
    engine.ask_estimate(wish)
    answer = collect(engine, Estimate)[-1]
    assert answer == Estimate(wish, 3 * 5 * 8 / 1000, 4, "fake:0")


def test_an_estimate_never_starts_a_process(engine):
    engine.ask_estimate(wanted())
    assert engine.pid is None
    assert silence(engine, 0.05) == []


def test_what_draws_in_one_go_has_no_estimate(engine):
    engine.ask_devices()
    engine.ask_estimate(wanted("one-go", n=3))
    answer = collect(engine, Estimate)[-1]
    assert math.isnan(answer.seconds)
    assert answer.problem == ""


def test_an_estimate_of_an_impossible_model_is_its_problem_and_nothing_else(engine):
    engine.ask_devices()
    engine.ask_estimate(wanted("unknown"))
    answers = collect(engine, Estimate)
    assert answers[-1].problem == "no model 'unknown'; choose one of: demo"
    assert not any(isinstance(answer, Failed) for answer in answers)


@pytest.mark.parametrize("model", ["buggy", "disk"])
def test_a_bug_in_an_estimate_is_its_problem_and_the_warm_process_lives_on(engine, model):
    engine.ask_devices()
    engine.ask_estimate(wanted(model))
    answer = collect(engine, Estimate)[-1]
    assert math.isnan(answer.seconds)
    assert answer.problem.startswith("no estimate: ")
    assert "\n" not in answer.problem
    pid = engine.pid
    engine.start(request("quick"))
    assert collect(engine)[-1].provenance["loads"] == 2  # the second one of the same process
    assert engine.pid == pid


def test_a_bug_in_the_list_of_devices_is_one_line_and_the_warm_process_lives_on(engine):
    engine.start(request("no devices"))
    collect(engine)
    pid = engine.pid
    engine.ask_devices()
    (answer,) = collect(engine, Devices)
    assert answer == Devices((), "the devices cannot be listed: RuntimeError: no driver")
    engine.start(request("no devices"))
    assert collect(engine)[-1].provenance["loads"] == 1
    assert engine.pid == pid


def test_the_model_of_an_estimate_is_warm_for_the_drawing(engine):
    engine.ask_devices()
    engine.ask_estimate(wanted("quick"))
    collect(engine, Estimate)
    engine.start(request("quick"))
    assert collect(engine)[-1].provenance["loads"] == 1


def test_of_many_estimates_the_newest_is_answered_and_a_drawing_goes_first(engine):
    engine.start(request("slow", steps=5))
    for n in range(1, 6):
        engine.ask_estimate(wanted("quick", n=n))
    answers = collect(engine, Estimate)
    assert [type(answer) for answer in answers if isinstance(answer, Finished | Estimate)] == [Finished, Estimate]
    assert answers[-1].wanted.n == 5
    assert silence(engine) == []


def test_a_process_that_is_held_answers_nothing_else_and_lives_on(engine):
    engine.start(request("slow", steps=50))
    engine.pause()
    collect(engine, Paused)
    engine.ask_estimate(wanted())
    engine.resume()
    assert isinstance(collect(engine, Loaded | Stepped)[-1], Stepped)
