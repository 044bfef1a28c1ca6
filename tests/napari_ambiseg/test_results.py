"""The samples that are shown: cleaned as wished, measured, outlined; the run stays as it was drawn."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.curves import RELATIVE_AREAS
from napari_ambiseg.layers.outlines import outline_segments
from napari_ambiseg.layers.roles import KEY, SAMPLES
from napari_ambiseg.messages import Finished, Loaded
from napari_ambiseg.results import _cleaned_within
from training.metrics import generalized_energy_distance
from training.postprocess import Cleaning, relative_area

from .played_engine import draw

BOTH = {"fill_holes": True, "smallest_object": 3}
EVERYTHING = Cleaning(threshold=0.1, fill_holes=True, smallest_object=5, relative_area=0.4)


@pytest.fixture
def drawn(controller, engine):
    """A finished drawing of six squares, the first one empty."""
    controller.opener.open_demo()
    draw(controller, engine)
    return controller


def clean(controller, **wishes):
    controller.state.postprocessing.cleaning = Cleaning(**wishes)
    controller.tick()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wishes", [{"fill_holes": True}, {"smallest_object": 4}, BOTH])
def test_cleaning_within_what_is_marked_is_cleaning(seed, wishes):
    rng = np.random.default_rng(seed)
    masks = np.zeros((5, 20, 24), bool)
    top, left = rng.integers(0, 8, 2)  # at the border too
    masks[:, top : top + 12, left : left + 16] = rng.random((5, 12, 16)) < 0.6
    cleaning = Cleaning(**wishes)
    assert np.array_equal(_cleaned_within(masks, cleaning), cleaning.apply(masks))
    assert not _cleaned_within(np.zeros_like(masks), cleaning).any()


def test_the_samples_are_cleaned_as_training_does_it_and_the_run_is_not_touched(drawn):
    rng = np.random.default_rng(0)
    run = drawn.results.run
    x0_hat = np.clip(run.x0_hat * 0.5 + 0.3 * rng.normal(size=run.masks.shape), -1, 1).astype(np.float32)
    raw = (x0_hat > 0).copy()
    drawn.results.show(replace(run, masks=x0_hat > 0, x0_hat=x0_hat))
    drawn.state.postprocessing.cleaning = EVERYTHING
    drawn.tick()
    assert np.array_equal(drawn.results.masks, EVERYTHING.apply(raw, x0_hat))
    assert np.array_equal(drawn.results.run.masks, raw)
    numbers = drawn.state.disagreement
    truth = drawn.results.run.case.masks
    assert numbers.raw.scores["ged_v"] == pytest.approx(generalized_energy_distance(raw, truth))
    assert numbers.processed.scores["ged_v"] == pytest.approx(generalized_energy_distance(drawn.results.masks, truth))


def test_the_layer_has_the_cleaned_outlines_and_what_they_were_before(drawn):
    clean(drawn, relative_area=0.5)
    layer, run = drawn.layers.find(SAMPLES), drawn.results.run
    cleaned = relative_area(run.masks, 0.5)
    ghosts = layer.features["before"].to_numpy()
    segments, owners = outline_segments(cleaned)
    assert np.array_equal(layer.data[~ghosts], segments)
    assert np.array_equal(layer.features["sample"][~ghosts], owners + 1)
    emptied = np.flatnonzero(run.masks.any((1, 2)) & ~cleaned.any((1, 2))) + 1
    assert set(layer.features["sample"][ghosts]) == set(emptied) != set()
    assert layer.metadata[KEY]["cleaning"] == "--postprocess 0.5"
    drawn.state.postprocessing.show_before = False
    drawn.tick()
    assert not layer.features["before"].any()


def test_without_a_wish_the_numbers_before_and_after_are_the_same(drawn):
    numbers = drawn.state.disagreement
    assert numbers.processed is numbers.raw
    assert np.array_equal(drawn.results.masks, drawn.results.run.masks)


def test_the_wish_survives_another_case_and_is_applied_to_what_is_drawn_there(drawn, engine):
    clean(drawn, relative_area=0.5)
    drawn.opener.next_case()
    assert drawn.results.run is drawn.results.masks is None
    assert drawn.state.disagreement.processed is None
    draw(drawn, engine)
    assert drawn.state.disagreement.processed.n_empty > drawn.state.disagreement.raw.n_empty
    drawn.opener.next_case(-1)  # a run that was kept
    drawn.tick()
    assert drawn.state.disagreement.processed.n_empty > drawn.state.disagreement.raw.n_empty


def test_a_threshold_is_left_out_where_there_is_nothing_to_cut(drawn, engine, told):
    clean(drawn, threshold=0.5, relative_area=0.5)
    assert drawn.results.takes_threshold
    drawn.generate()
    engine.answer(Loaded(2, "experts", "cpu", 0, ()))
    engine.answer(Finished(2, engine.masks(), 0.1, {"model": "experts", "seed": 0}))
    for _ in range(4):
        drawn.tick()
    assert not drawn.results.takes_threshold
    assert drawn.results.cleaning == Cleaning(relative_area=0.5)
    assert np.array_equal(drawn.results.masks, relative_area(engine.masks(), 0.5))
    assert drawn.state.postprocessing.cleaning.threshold == 0.5  # for the next ones that take it
    assert told() == []


@pytest.mark.parametrize("wishes", [{}, {"threshold": -0.5}, {"fill_holes": True, "smallest_object": 30}])
def test_the_curve_is_what_each_r_would_give(drawn, wishes):
    clean(drawn, **wishes)
    curve, run = drawn.results.ged_by_relative_area(), drawn.results.run
    assert len(curve) == len(RELATIVE_AREAS) == 21
    for r, value in zip(RELATIVE_AREAS, curve, strict=True):
        masks = Cleaning(**wishes, relative_area=r).apply(run.masks, run.x0_hat)
        assert value == pytest.approx(generalized_energy_distance(masks, run.case.masks, "V"), abs=1e-12)
    clean(drawn, **wishes, relative_area=0.7)
    assert drawn.results.ged_by_relative_area() is curve  # r moves along it and does not change it


def test_there_is_no_curve_without_samples(controller):
    assert controller.results.ged_by_relative_area() is None


def test_forgotten_samples_leave_an_empty_layer_and_a_deleted_one_comes_back(drawn):
    layer = drawn.layers.find(SAMPLES)
    drawn.viewer.layers.remove(layer)
    clean(drawn, relative_area=0.5)
    again = drawn.layers.find(SAMPLES)
    assert again is not None
    drawn.opener.next_case()
    assert len(again.data) == 0


def test_post_processing_ends_with_the_file_that_it_was_set_for(controller, file):
    controller.opener.open_demo()
    clean(controller, relative_area=0.8)
    controller.opener.next_case()
    assert controller.results.cleaning == Cleaning(relative_area=0.8)
    controller.opener.open_path(file)
    assert controller.state.postprocessing.cleaning == Cleaning()
    clean(controller, relative_area=0.5)
    controller.browser.enter("val")
    assert controller.state.postprocessing.cleaning == Cleaning(relative_area=0.5)


def test_post_processing_set_before_anything_is_open_stays(controller):
    controller.state.postprocessing.cleaning = Cleaning(fill_holes=True)
    controller.opener.open_demo()
    assert controller.state.postprocessing.cleaning == Cleaning(fill_holes=True)
