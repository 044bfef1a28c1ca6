"""The walk that comes with the program: what the demo model draws, small, and played without a sampling process."""

import numpy as np

import training
from napari_ambiseg.layers.case import opened_layers
from napari_ambiseg.layers.roles import IMAGE, KEY, Origin
from napari_ambiseg.playing_sample import demo_trajectory
from napari_ambiseg.recorded_walk import CASE, FILE, MODEL, N_SAMPLES, SEED, RecordedWalk
from napari_ambiseg.sample_data import DEMO, SPLIT, PhantomCases
from training.records import Step

STATES = 11


def test_the_file_is_what_the_demo_model_draws():
    segmenter, kept = training.load_segmenter(MODEL, device="cpu"), RecordedWalk.read()
    x_t, x0_hat = kept.states()
    steps = list(segmenter.walk(PhantomCases()[CASE].image, N_SAMPLES, SEED))
    np.testing.assert_allclose(kept.t, [step.t for step in steps], rtol=1e-6)
    np.testing.assert_allclose(kept.log_snr, [step.log_snr for step in steps], rtol=1e-5)
    for noisy, predicted, step in zip(x_t, x0_hat, steps, strict=True):
        assert np.abs(predicted - step.x0_hat).max() < 1 / 64 + 1e-3
        assert np.abs(noisy - step.x_t).max() < 1 / 16
        assert ((predicted > 0) != (step.x0_hat > 0)).mean() < 1e-5  # another processor may round one pixel otherwise
    assert dict(kept.provenance) == dict(segmenter.provenance)


def test_the_file_is_small():
    assert FILE.stat().st_size < 200_000


def test_a_pixel_that_is_hardly_foreground_stays_so(tmp_path):
    values = np.array([[[-1, -1e-6, 1e-6, 1]]], np.float32)
    steps = [Step(at, 1, 1.0 - at, np.zeros((1, 1, 4), np.float32), values, 20.0 * at - 10) for at in range(2)]
    RecordedWalk.of(steps, {"model": "x"}).write(tmp_path / "walk.npz")
    kept = RecordedWalk.read(tmp_path / "walk.npz")
    _, x0_hat = kept.states()
    np.testing.assert_array_equal(x0_hat > 0, np.broadcast_to(values > 0, (2, 1, 1, 4)))
    assert np.abs(x0_hat - values).max() <= 1 / 64
    assert kept.provenance == {"model": "x"}


def test_it_opens_its_case_and_plays_without_a_sampling_process(controller, engine):
    controller.opener.open_recorded()
    playback, numbers = controller.state.playback, controller.state.disagreement
    assert (controller.state.browsing.source, controller.state.browsing.index) == (DEMO, CASE)
    assert playback.playing
    assert (len(playback.times), playback.frame, playback.n_samples) == (STATES, 0, N_SAMPLES)
    assert [measures.n for measures in playback.measures] == [N_SAMPLES] * STATES
    assert playback.sample == 7  # the largest: another one may be empty, and nothing would be seen
    assert engine.requests == []
    playback.advance()
    assert playback.frame == 1
    controller.tick()
    assert numbers.raw.n == N_SAMPLES
    assert numbers.raw.scores == playback.measures[-1].scores  # the masks are where the walk ends


def test_it_is_kept_for_its_case_as_a_drawing_is(controller):
    controller.opener.open_recorded()
    controller.opener.next_case()
    assert controller.results.run is None
    controller.opener.next_case(-1)
    assert controller.results.run.n == N_SAMPLES
    assert controller.state.playback.frame == STATES - 1


def test_a_script_gets_plain_layers(monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    (image, _, _), (masks, options, kind) = demo_trajectory()
    assert (image.shape, masks.shape, kind) == ((128, 128), (N_SAMPLES, STATES, 128, 128), "image")
    assert "metadata" not in options  # it is the user's own


def test_the_layer_that_napari_wants_is_taken_over_and_the_walk_plays_on(controller, viewer):
    controller.opener.open_recorded()
    image, _ = opened_layers(PhantomCases()[CASE], Origin(DEMO, SPLIT, CASE))
    viewer.add_image(image[0], **image[1])
    controller.tick()
    assert [layer.metadata[KEY]["role"] for layer in viewer.layers].count(IMAGE) == 1
    assert controller.state.playback.playing
    assert controller.results.run.n == N_SAMPLES


def test_in_a_window_it_opens_the_docks_and_plays(controller, viewer, monkeypatch):
    opened = []
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    monkeypatch.setattr("napari_ambiseg._qt.viewer_panel.open_all_docks", opened.append)
    monkeypatch.setattr("napari_ambiseg.controller.controller_of", lambda _: controller)
    ((data, _, kind),) = demo_trajectory()
    assert (data.shape, kind, opened) == ((128, 128), "image", [viewer])
    assert controller.state.playback.playing
