"""Two runs of a case, or its experts, side by side, without a window; and that leaving brings back what was there."""

import numpy as np
import pytest
from napari.components import LayerList

from napari_ambiseg._compat import camera, grid_of
from napari_ambiseg.layers.cells import CELL
from napari_ambiseg.layers.maps import VOTES
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, KEY, MAP, SAMPLES
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.state import EXPERTS_BESIDE, RUNS_BESIDE
from training.metrics.glossary import SCORES
from training.postprocess import Cleaning

from .played_engine import draw


@pytest.fixture
def two_runs(controller, engine):
    """The demo's case 9 with A (6 samples) pinned and B (4 samples, another seed) drawn after it."""
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, engine)
    controller.comparer.pin()
    controller.state.sampling.seed, controller.state.sampling.n_samples = 1, 4
    draw(controller, engine)
    return controller.comparer


def cells(viewer):
    return [layer for layer in viewer.layers if layer.metadata.get(KEY, {}).get("role") == CELL]


def look(viewer):
    """All that leaving must restore."""
    grid, lens = grid_of(viewer), camera(viewer)
    return (
        [(layer.name, layer.visible) for layer in viewer.layers],
        (grid.enabled, grid.stride, grid.shape, grid.spacing),
        (lens.center, lens.zoom),
        viewer.layers.selection.active,
    )


def test_runs_of_the_case_are_remembered_in_order_and_the_newest_is_b(controller, two_runs):
    state = controller.state.comparing
    assert state.runs == ("1: demo, seed 0, n 6", "2: demo, seed 1, n 4")
    assert (state.first, state.second) == (0, 1)
    controller.opener.next_case()
    assert (state.runs, state.first, state.second) == ((), -1, -1)
    controller.opener.next_case(-1)
    controller.tick()
    assert len(state.runs) == 2
    assert (state.first, state.second) == (0, 1)


def test_the_numbers_are_those_of_the_viewer(controller, two_runs):
    rows = {row.name: row for row in two_runs.rows()}
    for run, side in ((two_runs.first, "first"), (two_runs.second, "second")):
        measures = SampleMeasures.of(run.masks, controller.case)
        for name, value in (
            ("ged_v", measures.ged_v),
            ("ged_u", measures.ged_u),
            ("dice", measures.scores["dice"]),
            ("hm_iou", measures.hm_iou),
            ("empty_model", measures.n_empty / measures.n),
            ("Mean area", measures.areas.mean()),
            ("n", measures.n),
        ):
            shown = SCORES[name].heading if name in SCORES else name
            assert getattr(rows[shown], side) == pytest.approx(value)


def test_both_are_cleaned_alike(controller, two_runs):
    cleaning = Cleaning(smallest_object=30)
    controller.state.postprocessing.cleaning = cleaning
    rows = {row.name: row for row in two_runs.rows()}
    assert rows[SCORES["empty_model"].heading].first == np.mean(
        [not mask.any() for mask in cleaning.apply(two_runs.first.masks)]
    )
    assert rows[SCORES["empty_model"].heading].second == np.mean(
        [not mask.any() for mask in cleaning.apply(two_runs.second.masks)]
    )


def test_any_two_runs_may_be_chosen(controller, engine, two_runs):
    controller.state.sampling.seed = 2
    draw(controller, engine)
    assert two_runs.second.seed == 2
    two_runs.choose_second(1)
    assert two_runs.second.seed == 1
    two_runs.choose_first(2)
    assert (two_runs.first.seed, two_runs.second.seed) == (2, 1)
    two_runs.choose_first(99)
    assert two_runs.first.seed == 2


def test_the_same_drawing_twice_is_one_run(controller, engine, two_runs):
    draw(controller, engine)
    assert len(two_runs.runs) == 2


def test_a_pinned_run_is_kept_however_many_follow(controller, engine, two_runs):
    for seed in range(2, 14):
        controller.state.sampling.seed = seed
        draw(controller, engine)
    assert len(two_runs.runs) == 8
    assert two_runs.first.seed == 0
    assert all(run.frames is None for run in two_runs.runs)


def test_side_by_side_shows_image_experts_and_samples_of_each(controller, viewer, two_runs):
    two_runs.show_runs()
    layers = cells(viewer)
    assert [type(layer).__name__ for layer in layers] == ["Image", "Shapes", "Vectors"] * 2
    assert list(viewer.layers[:6]) == layers
    grid = grid_of(viewer)
    assert (grid.enabled, grid.stride, grid.shape) == (True, 3, (1, 2))
    assert [layer for layer in viewer.layers if layer.visible] == layers
    assert [layer.name for layer in layers[::3]] == ["A: seed 0, n 6", "B: seed 1, n 4"]
    drawn = [set(np.asarray(layer.features["sample"])) for layer in layers[2::3]]
    assert drawn == [{2, 3, 4, 5, 6}, {2, 3, 4}]  # sample 1 is empty
    for layer in layers:
        assert np.allclose(layer.scale, controller.layers.find(IMAGE).scale)


@pytest.mark.parametrize("what", ["show_runs", "show_experts"])
def test_leaving_restores_what_was_there(controller, viewer, two_runs, what):
    own = viewer.add_points([[1, 1]])
    controller.state.display.map = VOTES
    controller.tick()
    controller.layers.find(EXPERTS).visible = False
    viewer.layers.selection.active = own
    lens = camera(viewer)
    lens.center, lens.zoom = (0.0, 30.0, 40.0), 7.0
    before = look(viewer)
    getattr(two_runs, what)()
    controller.tick()
    assert look(viewer) != before
    two_runs.leave()
    controller.tick()
    assert look(viewer) == before
    assert controller.state.comparing.shown == ""


@pytest.mark.skipif(not hasattr(LayerList, "batched_update"), reason="this napari takes layers away one by one")
def test_all_cells_go_as_one_so_that_napari_collects_garbage_once_for_all(controller, viewer):
    controller.opener.open_demo()
    controller.comparer.show_experts()
    happened = []
    events = viewer.layers.events
    for event in (events.begin_batch, events.removed, events.end_batch):
        event.connect(lambda event: happened.append(event.type))
    controller.comparer.leave()
    assert happened == ["begin_batch", *["removed"] * 8, "end_batch"]
    happened.clear()
    controller.comparer.show_experts()
    assert happened == []  # nothing to take away: no garbage either


def test_each_expert_has_a_cell(controller, viewer):
    controller.opener.open_demo()
    controller.opener.open_case(6)  # A and B saw nothing
    controller.comparer.show_experts()
    layers = cells(viewer)
    assert [layer.name for layer in layers[::2]] == ["Expert A: nothing", "Expert B: nothing", "Expert C", "Expert D"]
    assert [layer.nshapes > 0 for layer in layers[1::2]] == [False, False, True, True]
    assert grid_of(viewer).shape == (2, 2)


def test_experts_stay_side_by_side_from_case_to_case_in_the_same_layers(controller, viewer):
    controller.opener.open_demo()
    controller.tick()
    controller.comparer.show_experts()
    before, count = cells(viewer), len(viewer.layers)
    for _ in range(5):
        controller.opener.next_case()
        controller.tick()
        assert cells(viewer) == before
        assert len(viewer.layers) == count
        for image in before[::2]:
            assert np.array_equal(image.data, controller.case.image)
    assert controller.state.comparing.shown == EXPERTS_BESIDE
    assert [layer.nshapes > 0 for layer in before[1::2]] == [bool(mask.any()) for mask in controller.case.masks]


def test_another_case_without_two_runs_leaves_the_comparison(controller, viewer, two_runs):
    two_runs.show_runs()
    controller.opener.next_case()
    assert controller.state.comparing.shown == ""
    assert cells(viewer) == []
    assert controller.layers.is_visible(IMAGE)


def test_a_new_run_becomes_b_in_its_cell(controller, viewer, engine, two_runs):
    two_runs.show_runs()
    controller.state.sampling.seed, controller.state.sampling.n_samples = 9, 6
    draw(controller, engine)
    assert controller.state.comparing.shown == RUNS_BESIDE
    assert [layer.name for layer in cells(viewer)[::3]] == ["A: seed 0", "B: seed 9"]
    assert [layer for layer in viewer.layers if layer.visible] == cells(viewer)


def test_what_comes_meanwhile_stays_out_of_the_cells_and_is_there_afterwards(controller, viewer, two_runs):
    two_runs.show_runs()
    controller.state.display.map = VOTES
    controller.tick()
    assert [layer for layer in viewer.layers if layer.visible] == cells(viewer)
    two_runs.leave()
    assert controller.layers.is_visible(MAP)
    assert controller.layers.is_visible(SAMPLES)


def test_the_cells_follow_the_image_s_window(controller, viewer, two_runs):
    two_runs.show_runs()
    controller.layers.find(IMAGE).contrast_limits = (0.2, 0.6)
    controller.tick()
    assert all(tuple(layer.contrast_limits) == (0.2, 0.6) for layer in cells(viewer)[::3])


@pytest.mark.parametrize(
    "how", ["a cell is deleted", "a cell is moved", "the grid is turned off", "a blind read begins"]
)
def test_the_user_may_end_it_another_way(controller, viewer, two_runs, how):
    two_runs.show_runs()
    if how == "a cell is deleted":
        viewer.layers.remove(cells(viewer)[2])
    elif how == "a cell is moved":  # outlines to where an image was
        viewer.layers.move(1, 0)
    elif how == "the grid is turned off":
        grid_of(viewer).enabled = False
    else:
        controller.reader.toggle()
    controller.tick()
    assert controller.state.comparing.shown == ""
    assert cells(viewer) == []
    assert not grid_of(viewer).enabled
    assert controller.layers.is_visible(IMAGE)


def test_cells_that_were_moved_are_made_anew_for_the_next_case(controller, viewer):
    controller.opener.open_demo()
    controller.tick()
    controller.comparer.show_experts()
    viewer.layers.move(1, 0)
    controller.comparer.show_experts()  # before anything else happened
    controller.tick()
    kinds = [type(layer).__name__ for layer in cells(viewer)]
    assert kinds == kinds[:2] * 4
    assert kinds[0] == "Image"


def test_nothing_is_told_and_nothing_shown_in_a_blind_read(controller, viewer, two_runs, told):
    controller.reader.toggle()
    assert two_runs.rows() == ()
    two_runs.show_runs()
    two_runs.show_experts()
    assert cells(viewer) == []
    assert told() == ["this is a blind read: reveal first"] * 2


def test_what_is_missing_is_said(controller, told):
    controller.comparer.pin()
    controller.comparer.show_runs()
    controller.comparer.show_experts()
    assert [text.partition(":")[0] for text in told()] == [
        "draw samples first",
        "pin a run as A and draw another one of the same case first",
        "open a case first that experts annotated",
    ]
