"""Samples in a viewer, with a sampling process that the test plays: asked for, watched, cancelled, post-processed."""

import numpy as np
import pytest

from napari_ambiseg._compat import text_overlay
from napari_ambiseg.layers import EXPERT, IMAGE, SAMPLES, TRAJECTORY, VARIANCE, VOTES
from napari_ambiseg.messages import Cancelled, Died, Failed, Loaded
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, NOISY, SAMPLING
from training.errors import DeviceError
from training.metrics import generalized_energy_distance, pixel_variance
from training.postprocess import relative_area

from .played_engine import STEPS, draw


def test_generate_without_a_case_says_what_to_do(controller, engine, told):
    controller.generate()
    assert engine.requests == []
    (text,) = told()
    assert text.startswith("open a case first")


def test_a_drawing_from_request_to_numbers(controller, engine):
    controller.open_demo()
    sampling, playback, disagreement = (
        controller.state.sampling,
        controller.state.playback,
        controller.state.disagreement,
    )
    sampling.seed, sampling.steps, sampling.sampler, sampling.device = 3, STEPS, "ddpm", "cpu"
    controller.generate()
    wish = engine.requests[-1]
    assert (wish.model, wish.n, wish.seed, wish.steps, wish.sampler) == ("demo", 6, 3, STEPS, "ddpm")
    assert wish.case is controller.case
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
    assert sampling.provenance == "model demo, seed 3"
    assert [t for t, _ in disagreement.curve] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert disagreement.curve[-1][1] == disagreement.raw.ged_v
    assert disagreement.raw.ged_v == pytest.approx(generalized_energy_distance(masks, experts))
    assert disagreement.raw.ged_u == pytest.approx(generalized_energy_distance(masks, experts, "U"))
    assert (disagreement.raw.n, disagreement.raw.n_empty) == (6, 1)
    assert np.array_equal(controller.layers.find(VARIANCE).data, pixel_variance(masks))
    assert controller.layers.find(SAMPLES).nshapes == 5
    assert not playback.following


def test_frames_that_have_not_come_are_transparent(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0)
    controller.tick()
    frames = controller.layers.find(TRAJECTORY).data
    assert frames.shape == (6, STEPS + 1, *controller.case.image.shape)
    assert np.isfinite(frames[:, 0]).all()
    assert np.isnan(frames[:, 1:]).all()


def test_the_other_quantity_is_shown_from_the_same_frames(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.playback.quantity = NOISY
    shown = controller.layers.find(TRAJECTORY).data
    assert np.array_equal(shown[:, 2], engine.masks().astype(np.float16))


def test_a_large_drawing_keeps_fewer_frames(controller, engine):
    controller.open_demo()
    controller.state.sampling.n_samples = 1
    controller.generate()
    assert engine.requests[-1].max_frames == 64
    controller.state.sampling.n_samples = 256
    controller.generate()
    size = 4 * 256 * controller.case.image.size
    assert engine.requests[-1].max_frames == 2**28 // size < 64


def test_what_is_asked_for_next_does_not_disturb_what_is_being_drawn(controller, engine):
    controller.open_demo()
    controller.generate()
    controller.state.sampling.n_samples = 50
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
    assert controller.layers.find(TRAJECTORY).data.shape[0] == controller.state.playback.n_samples == 6
    assert controller.frame_text().endswith("of 6")


def test_a_model_without_steps_has_samples_and_no_trajectory(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.answer(Loaded(1, "empty", "cpu", 0, ()))
    engine.finish()
    controller.tick()
    assert controller.state.disagreement.processed.n == 6
    assert controller.layers.find(TRAJECTORY) is None
    assert controller.layers.find(SAMPLES) is not None
    assert controller.frame_text() == ""


@pytest.mark.parametrize("end", [Failed(2, "no memory"), Cancelled(2), Died("gone")])
def test_where_no_step_came_there_is_nothing_to_scrub_through(controller, engine, viewer, end):
    controller.open_demo()
    draw(controller, engine)
    controller.generate()
    assert viewer.dims.nsteps[:2] == (6, STEPS + 1)  # the sliders wait for the next trajectory
    engine.answer(end)
    controller.tick()
    assert viewer.dims.nsteps[:2] == (1, 1)


def test_cancel_keeps_what_came_so_far(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.cancel()
    assert engine.cancelled[-1] == 1
    assert controller.state.sampling.status == CANCELLING
    engine.step(2)
    engine.answer(Cancelled(1))
    controller.tick()
    assert controller.state.sampling.status == IDLE
    assert len(controller.state.playback.times) == 3
    assert np.isfinite(controller.layers.find(TRAJECTORY).data[:, :3]).all()
    controller.state.playback.frame = 1
    assert controller.frame_text().startswith("step 1 of 4")


def test_a_second_generate_begins_anew(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.sampling.seed = 8
    controller.generate()
    state = controller.state
    assert engine.requests[-1].seed == 8
    assert (state.playback.times, state.disagreement.raw, state.disagreement.curve) == ((), None, ())
    assert controller.layers.find(SAMPLES).nshapes == 0
    engine.load()
    engine.step(0)
    controller.tick()
    assert state.playback.times == (1.0,)


def test_going_to_another_case_drops_the_drawing_under_way(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.next_case()
    assert engine.cancelled[-1] == 1
    engine.step(2)
    engine.answer(Cancelled(1))
    engine.finish()
    controller.tick()
    state = controller.state
    assert (state.sampling.status, state.playback.times, state.disagreement.raw) == (IDLE, (), None)
    assert not text_overlay(controller.viewer).visible
    assert told() == []
    draw(controller, engine)
    assert state.disagreement.raw.n == 6


@pytest.mark.parametrize("role", [IMAGE, VOTES, TRAJECTORY, EXPERT])
@pytest.mark.parametrize("what", ["delete", "rename", "hide"])
def test_whatever_happens_to_a_layer_while_drawing_the_drawing_goes_on(controller, engine, viewer, told, role, what):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    layer = controller.layers.find(role, 1 if role == EXPERT else 0)
    if what == "delete":
        viewer.layers.remove(layer)
    elif what == "rename":
        layer.name = "samples"
    else:
        layer.visible = False
    engine.step(2, 3, 4)
    engine.finish()
    controller.tick()
    assert controller.state.disagreement.processed.n == 6
    controller.next_case()
    draw(controller, engine)
    layers = controller.layers
    assert all(layers.find(role) is not None for role in (IMAGE, VOTES, TRAJECTORY, SAMPLES, VARIANCE))
    assert layers.find(EXPERT, 1) is not None
    if what == "hide":
        assert not layer.visible
    assert told() == []


def test_all_layers_at_once_may_be_deleted(controller, engine, viewer, told):
    controller.open_demo()
    draw(controller, engine)
    viewer.layers.clear()
    controller.state.playback.frame = 2
    controller.state.postprocessing.relative_area = 0.5
    controller.tick()
    controller.next_case()
    draw(controller, engine)
    assert len(viewer.layers) == 4 + 5
    assert told() == []


def test_an_error_is_exactly_one_notification(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.answer(Failed(1, "no model 'x'; choose one of: demo"))
    controller.tick()
    controller.tick()
    assert told() == ["no model 'x'; choose one of: demo"]
    assert controller.state.sampling.status == IDLE


def test_a_death_is_one_notification_and_the_next_drawing_runs(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0)
    engine.answer(Died("the sampling process ended by signal 9"))
    controller.tick()
    assert told() == ["the sampling process ended by signal 9"]
    assert controller.state.sampling.status == IDLE
    assert not controller.state.playback.following
    draw(controller, engine)
    assert controller.state.disagreement.raw.n == 6


def test_a_process_that_cannot_be_started_is_one_notification(controller, engine, told, monkeypatch):
    def start(request):
        raise DeviceError("cannot start the sampling process with python: no such file")

    monkeypatch.setattr(engine, "start", start)
    controller.open_demo()
    controller.generate()
    assert told() == ["cannot start the sampling process with python: no such file"]
    assert controller.state.sampling.status == IDLE


# -- post-processing, maps -------------------------------------------------------------------------------------------


def test_the_relative_area_changes_samples_and_numbers_and_back(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    masks, experts = engine.masks(), controller.case.masks
    disagreement = controller.state.disagreement
    for r in (0.5, 1.0, 0.0):
        controller.state.postprocessing.relative_area = r
        controller.tick()
        kept = relative_area(masks, r)
        assert controller.layers.find(SAMPLES).nshapes == kept.any(axis=(1, 2)).sum()
        assert np.array_equal(controller.layers.find(VARIANCE).data, pixel_variance(kept))
        assert disagreement.processed.ged_v == pytest.approx(generalized_energy_distance(kept, experts))
        assert disagreement.raw.ged_v == pytest.approx(generalized_energy_distance(masks, experts))
    assert disagreement.processed.n_empty == disagreement.raw.n_empty == 1


def test_many_moves_of_the_slider_between_two_ticks_are_one_redrawing(controller, engine, monkeypatch):
    controller.open_demo()
    draw(controller, engine)
    shown = []
    monkeypatch.setattr(controller.layers, "show_samples", lambda masks, *_: shown.append(len(masks)))
    for r in np.linspace(0, 0.9, 30):
        controller.state.postprocessing.relative_area = float(r)
    controller.tick()
    controller.tick()
    assert shown == [6]


def test_the_variance_switch_and_the_layers_eye_are_one_thing(controller, engine, viewer):
    controller.open_demo()
    disagreement = controller.state.disagreement
    disagreement.show_variance = True  # wished for before there is any
    controller.tick()
    assert disagreement.show_variance
    draw(controller, engine)
    layer = controller.layers.find(VARIANCE)
    assert layer.visible
    layer.visible = False
    controller.tick()
    assert not disagreement.show_variance
    disagreement.show_variance = True
    assert layer.visible
    viewer.layers.remove(layer)
    controller.tick()
    assert not disagreement.show_variance
    disagreement.show_variance = True
    controller.tick()
    assert controller.layers.find(VARIANCE).visible
    assert disagreement.show_variance


def test_the_votes_switch_brings_a_deleted_layer_back(controller, viewer):
    controller.open_demo()
    viewer.layers.remove(controller.layers.find(VOTES))
    controller.tick()
    controller.state.disagreement.show_votes = True
    controller.tick()
    assert controller.layers.find(VOTES).visible
    assert controller.state.disagreement.show_votes


def test_what_is_visible_stays_so_from_case_to_case(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.disagreement.show_variance = True
    controller.layers.find(SAMPLES).visible = False
    controller.next_case()
    draw(controller, engine)
    assert controller.layers.find(VARIANCE).visible
    assert not controller.layers.find(SAMPLES).visible
