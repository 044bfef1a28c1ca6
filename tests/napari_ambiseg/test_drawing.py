"""Samples in a viewer, with a sampling process that the test plays: asked for, watched, held, cancelled, failed."""

import numpy as np
import pytest

from napari_ambiseg._compat import text_overlay
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, KEY, SAMPLES, TRAJECTORY
from napari_ambiseg.messages import Cancelled, Died, Failed, Loaded, Progressed
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, PAUSED, SAMPLING
from training.metrics import generalized_energy_distance
from training.sampling_wish import SamplingWish

from .played_engine import STEPS, draw

WISH = SamplingWish("ddpm", STEPS)


@pytest.fixture
def started(controller, engine):
    """A drawing of which two states are there."""
    controller.opener.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    return controller


def test_generate_without_a_case_says_what_to_do(controller, engine, told):
    controller.generate()
    assert engine.requests == []
    (text,) = told()
    assert text.startswith("open a case first")


def test_in_a_blind_read_nothing_is_drawn(controller, engine, told):
    controller.opener.open_demo()
    controller.state.reading.blind = True
    controller.generate()
    assert engine.requests == []
    assert told() == ["this is a blind read: reveal first"]


def test_a_drawing_from_request_to_numbers(controller, engine):
    controller.opener.open_demo()
    state = controller.state
    sampling, playback, disagreement = state.sampling, state.playback, state.disagreement
    sampling.seed, sampling.wish, sampling.device = 3, WISH, "cpu"
    controller.generate()
    asked = engine.requests[-1]
    assert (asked.model, asked.n, asked.seed, asked.wish, asked.device) == ("demo", 6, 3, WISH, "cpu")
    assert asked.case is controller.case
    assert sampling.status == LOADING

    engine.load()
    controller.tick()
    assert (sampling.status, sampling.progress, playback.n_frames) == (SAMPLING, 0, STEPS + 1)

    engine.step(0, 1)
    controller.tick()
    assert (sampling.progress, playback.times, playback.frame) == (0.5, (1.0, 0.75), 1)
    assert disagreement.raw.ged_v == pytest.approx(
        generalized_energy_distance(np.roll(engine.masks(), STEPS - 1, axis=1), controller.case.masks)
    )

    engine.step(2, 3, 4)
    engine.finish()
    controller.tick()
    masks, experts = engine.masks(), controller.case.masks
    assert (sampling.status, sampling.progress) == (IDLE, 1)
    assert sampling.provenance == "model demo, samples 6, seed 3"
    assert playback.times == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert playback.log_snr == (-10, -5, 0, 5, 10)
    assert playback.measures[-1].ged_v == disagreement.raw.ged_v
    assert disagreement.raw.ged_v == pytest.approx(generalized_energy_distance(masks, experts))
    assert disagreement.raw.ged_u == pytest.approx(generalized_energy_distance(masks, experts, "U"))
    assert (disagreement.raw.n, disagreement.raw.n_empty) == (6, 1)
    assert controller.layers.find(SAMPLES) is not None
    assert not playback.following


def test_a_large_drawing_keeps_fewer_frames(controller, engine):
    controller.opener.open_demo()
    controller.state.sampling.n_samples = 1
    controller.generate()
    assert engine.requests[-1].max_frames == 64
    controller.state.sampling.n_samples = 256
    controller.generate()
    size = 4 * 256 * controller.case.image.size
    assert engine.requests[-1].max_frames == 2**28 // size < 64


def test_what_is_asked_for_next_does_not_disturb_what_is_being_drawn(controller, engine):
    controller.opener.open_demo()
    controller.generate()
    controller.state.sampling.n_samples = 50
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
    assert controller.layers.find(TRAJECTORY).data.shape[0] == controller.state.playback.n_samples == 6
    assert controller.results.run.n == 6


def test_a_model_without_steps_has_samples_and_no_trajectory(controller, engine, viewer):
    controller.opener.open_demo()
    controller.generate()
    engine.answer(Loaded(1, "empty", "cpu", 0, ()))
    engine.finish()
    controller.tick()
    assert controller.state.disagreement.processed.n == 6
    assert np.isnan(controller.layers.find(TRAJECTORY).data).all()
    assert viewer.dims.nsteps[:2] == (1, 1)
    assert controller.layers.find(SAMPLES) is not None
    assert controller.results.run.frames is None


def test_the_trajectory_s_layer_is_made_at_the_click_and_not_between_two_steps(controller, engine, viewer):
    controller.opener.open_demo()
    controller.generate()
    layer = controller.layers.find(TRAJECTORY)
    assert layer is not None
    assert viewer.dims.nsteps[:2] == (1, 1)  # no sliders yet
    inserted = []
    viewer.layers.events.inserted.connect(lambda event: inserted.append(event.value.name))
    engine.load()
    engine.step(0)
    controller.tick()
    assert controller.layers.find(TRAJECTORY) is layer
    assert "trajectory" not in inserted
    assert viewer.dims.nsteps[:2] == (6, STEPS + 1)


@pytest.mark.parametrize("end", [Failed(2, "no memory"), Cancelled(2), Died("gone")])
def test_where_no_step_came_there_is_nothing_to_scrub_through(controller, engine, viewer, end):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.generate()
    assert viewer.dims.nsteps[:2] == (6, STEPS + 1)  # the sliders wait for the next trajectory
    engine.answer(end)
    controller.tick()
    assert viewer.dims.nsteps[:2] == (1, 1)


# -- cancelled, held -------------------------------------------------------------------------------------------------


def test_cancel_keeps_what_came_so_far(started, engine):
    started.drawing.cancel()
    assert engine.cancelled[-1] == 1
    assert started.state.sampling.status == CANCELLING
    engine.step(2)
    engine.answer(Cancelled(1))
    started.tick()
    assert started.state.sampling.status == IDLE
    assert len(started.state.playback.times) == 3
    assert np.isfinite(started.layers.find(TRAJECTORY).data[:, :3]).all()
    started.state.playback.frame = 1
    assert started.player.text().startswith("step 1/4")


def test_cancel_twice_and_cancel_of_nothing_ask_once(started, engine):
    before = len(engine.cancelled)
    started.drawing.cancel()
    started.drawing.cancel()
    engine.answer(Cancelled(1))
    started.tick()
    started.drawing.cancel()
    assert len(engine.cancelled) == before + 1


def test_a_pause_holds_and_goes_on(started, engine):
    sampling = started.state.sampling
    started.drawing.pause()
    assert (engine.verbs, sampling.status) == (["pause"], PAUSED)
    engine.step(2)
    engine.hold(2)
    started.tick()
    assert (sampling.status, sampling.message) == (PAUSED, "paused at step 2 of 4")
    assert len(started.state.playback.times) == 3
    started.drawing.step_once()
    engine.step(3)
    engine.hold(3)
    started.tick()
    assert (sampling.status, sampling.message) == (PAUSED, "paused at step 3 of 4")
    started.drawing.pause()
    assert engine.verbs == ["pause", "step once", "resume"]
    assert sampling.status == SAMPLING
    engine.step(4)
    engine.finish()
    started.tick()
    assert sampling.status == IDLE


def test_a_held_drawing_can_be_cancelled(started, engine):
    started.drawing.pause()
    started.drawing.cancel()
    assert started.state.sampling.status == CANCELLING
    engine.answer(Cancelled(1))
    started.tick()
    assert started.state.sampling.status == IDLE


def test_the_word_that_it_is_held_comes_too_late_after_going_on(started, engine):
    started.drawing.pause()
    started.drawing.pause()
    engine.hold(1)
    started.tick()
    assert started.state.sampling.status == SAMPLING


def test_pause_and_step_without_a_drawing_do_nothing(controller, engine):
    controller.opener.open_demo()
    controller.drawing.pause()
    controller.drawing.step_once()
    assert engine.verbs == []
    assert controller.state.sampling.status == IDLE


def test_the_time_left_does_not_count_the_time_that_it_was_held(started, engine, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("napari_ambiseg.drawing.time.monotonic", lambda: now[0])
    started.drawing._began = 990.0  # two of four steps in 10 s
    started.drawing.pause()
    now[0] += 500
    started.drawing.pause()
    engine.step(2)
    now[0] += 5
    started.tick()
    assert started.state.sampling.message == "step 3 of 4, about 5 s left"


# -- nobody looks ----------------------------------------------------------------------------------------------------


def test_the_process_is_told_once_whether_anybody_looks(started, engine):
    started.drawing.watch(True)
    assert engine.verbs == []
    started.drawing.watch(False)
    started.drawing.watch(False)
    started.drawing.watch(True)
    assert engine.verbs == ["look away", "watch"]


def test_a_drawing_that_nobody_looks_at_is_asked_for_so_and_shows_how_far_it_is(controller, engine):
    controller.opener.open_demo()
    controller.drawing.watch(False)
    controller.generate()
    assert not engine.requests[-1].watched
    engine.load()
    engine.answer(Progressed(1, 1))
    controller.tick()
    assert controller.state.sampling.progress == 0.5
    assert controller.state.playback.times == ()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
    assert controller.results.run.frames.times == (1.0, 0.75, 0.5, 0.25, 0.0)


def test_many_states_at_once_are_taken_in_over_several_ticks(controller, engine, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.drawing._BUDGET_S", 1e-9)
    controller.opener.open_demo()
    controller.generate()
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    seen = []
    while controller.results.run is None:
        controller.tick()
        seen.append(len(controller.state.playback.times))
    assert seen == [1, 2, 3, 4, 5, 5]


# -- another one, another case ---------------------------------------------------------------------------------------


def test_a_second_generate_begins_anew(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.state.sampling.seed = 8
    controller.generate()
    state = controller.state
    assert engine.requests[-1].seed == 8
    assert (state.playback.times, state.playback.measures, state.disagreement.raw) == ((), (), None)
    engine.load()
    engine.step(0)
    controller.tick()
    assert state.playback.times == (1.0,)


def test_going_to_another_case_drops_the_drawing_under_way(started, engine, told):
    started.opener.next_case()
    assert engine.cancelled[-1] == 1
    engine.step(2)
    engine.answer(Cancelled(1))
    engine.finish()
    started.tick()
    state = started.state
    assert (state.sampling.status, state.playback.times, state.disagreement.raw) == (IDLE, (), None)
    assert not text_overlay(started.viewer).visible
    assert told() == []
    draw(started, engine)
    assert state.disagreement.raw.n == 6


def test_the_layers_say_what_made_them(controller, engine):
    controller.opener.open_demo()
    controller.state.sampling.seed = 5
    draw(controller, engine)
    about = controller.layers.find(SAMPLES).metadata[KEY]
    expected = {"case": controller.case.key, "model": "demo", "seed": 5, "split": "synthetic", "index": 0}
    assert {name: about[name] for name in expected} == expected


@pytest.mark.parametrize("role", [IMAGE, TRAJECTORY, EXPERTS])
@pytest.mark.parametrize("what", ["delete", "rename", "hide"])
def test_whatever_happens_to_a_layer_while_drawing_the_drawing_goes_on(started, engine, viewer, told, role, what):
    layer = started.layers.find(role)
    if what == "delete":
        viewer.layers.remove(layer)
    elif what == "rename":
        layer.name = "samples"
    else:
        layer.visible = False
    engine.step(2, 3, 4)
    engine.finish()
    started.tick()
    assert started.state.disagreement.processed.n == 6
    started.opener.next_case()
    draw(started, engine)
    assert all(started.layers.find(role) is not None for role in (IMAGE, EXPERTS, TRAJECTORY, SAMPLES))
    assert told() == []


def test_all_layers_at_once_may_be_deleted(controller, engine, viewer, told):
    controller.opener.open_demo()
    draw(controller, engine)
    before = len(viewer.layers)
    viewer.layers.clear()
    controller.state.playback.frame = 2
    controller.tick()
    controller.opener.next_case()
    draw(controller, engine)
    assert len(viewer.layers) == before
    assert told() == []


@pytest.mark.parametrize(("steps", "words"), [((0,), "1 state"), ((0, 1), "2 states")])
def test_what_was_cancelled_counts_its_states_in_words(controller, engine, steps, words):
    controller.opener.open_demo()
    controller.generate()
    engine.load()
    engine.step(*steps)
    engine.answer(Cancelled(1))
    controller.tick()
    assert controller.state.sampling.message == f"cancelled after {words}"
