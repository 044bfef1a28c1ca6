"""How long the next drawing will take: asked when the wishes rest, forgotten when they change."""

import math

from napari_ambiseg.messages import Estimate

from .played_engine import draw


def test_an_estimate_is_asked_once_the_wishes_rest_and_is_dropped_when_they_change(controller, engine, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_ambiseg.forecast.time.monotonic", lambda: now[0])
    sampling = controller.state.sampling
    controller.tick()
    assert engine.estimates == []  # no case, nothing to ask
    controller.opener.open_demo()
    for n in (2, 3, 4):
        sampling.n_samples = n
        controller.tick()
        now[0] += 0.1
    assert engine.estimates == []
    now[0] += 1
    for _ in range(3):
        controller.tick()
    (wanted,) = engine.estimates
    assert (wanted.model, wanted.n, wanted.shape) == ("demo", 4, controller.case.image.shape)
    engine.answer(Estimate(wanted, 9.0, 4, "cpu"))
    controller.tick()
    assert sampling.seconds == 9
    sampling.seed = 99  # which costs no time
    controller.tick()
    assert sampling.seconds == 9
    sampling.n_samples = 5
    controller.tick()
    assert math.isnan(sampling.seconds)
    engine.answer(Estimate(wanted, 9.0, 4, "cpu"))
    controller.tick()
    assert math.isnan(sampling.seconds)


def test_how_long_a_drawing_took_is_better_than_any_estimate(controller, engine, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_ambiseg.forecast.time.monotonic", lambda: now[0])
    controller.opener.open_demo()
    controller.tick()
    draw(controller, engine)
    assert controller.state.sampling.seconds == 1
    now[0] += 10
    controller.tick()
    assert engine.estimates == []
