"""Masks put back on the image that they were drawn for: every slice that was drawn in the same way."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.layers.book import role_of
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

from .own_volume import SPACED, drawn, use

ROTATED = np.array([[1, 0, 0, 2.0], [0, 0.8, -0.6, 5.0], [0, 0.6, 0.8, -3.0], [0, 0, 0, 1]])
OTHERS = ({"seed": 9}, {"n": 7}, {"model": "experts"}, {"wish": SamplingWish(steps=3)})


@pytest.mark.parametrize("options", [SPACED, SPACED | {"affine": ROTATED}], ids=["spaced", "rotated"])
def test_every_pixel_of_the_masks_is_put_back_where_it_was_drawn(controller, engine, viewer, options):
    values = np.random.default_rng(1).random((4, 200, 170))
    layer = viewer.add_image(values, name="chest", **options)
    viewer.dims.set_current_step(0, 1)
    use(controller, layer)
    controller.placer.put_box((23, 31), (100, 140))
    drawn(controller, engine)
    run = controller.results.run
    controller.put_masks_back()
    counts = viewer.layers[-1]
    assert counts.data.shape == values.shape
    assert role_of(counts) is None
    for row, column in np.argwhere(run.masks.any(axis=0))[::13]:
        world = run.place.world((row, column))
        index = tuple(np.round(counts.world_to_data(world)).astype(int))
        assert index == (1, row + 23, column + 31)
        assert counts.data[index] == run.masks[:, row, column].sum()
        assert world == pytest.approx(tuple(layer.data_to_world(index)))
    assert counts.data.sum() == run.masks.sum()


def test_the_masks_of_all_slices_that_were_drawn_are_put_back(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    controller.opener.next_case()
    drawn(controller, engine)
    controller.put_masks_back()
    per_slice = viewer.layers[-1].data.sum(axis=(1, 2))
    assert (per_slice > 0).tolist() == [False, False, True, True, False, False]


def with_run_of_slice(controller, index, **changes):
    """Another drawing, of another slice of the open volume: all of its masks mark the same 9 pixels."""
    like = controller.results.run
    n = changes.get("n", like.n)
    masks = np.zeros((n, *like.field.shape), bool)
    masks[:, 1:4, 1:4] = True
    origin = replace(like.origin, index=index)
    case = like.field.cut(controller.browser.read(index))
    kept = {"origin": origin, "case": case, "masks": masks, "x0_hat": None, "frames": None}
    controller.runs.put(replace(like, **kept | changes))


def test_only_slices_drawn_in_the_same_way_are_put_back_and_the_others_are_told(
    controller, engine, viewer, volume, told
):
    use(controller, volume)
    drawn(controller, engine)
    with_run_of_slice(controller, 0)
    for index, changes in zip((1, 3, 4, 5), OTHERS, strict=True):
        with_run_of_slice(controller, index, **changes)
    controller.put_masks_back()
    counts = viewer.layers[-1]
    assert (counts.data.sum(axis=(1, 2)) > 0).tolist() == [True, False, True, False, False, False]
    assert (counts.data[0] == 6).sum() == 9
    assert told()[-1].startswith("4 of 6 slices were drawn in another way and are left out")
    about = counts.metadata["ambiseg counts"]
    assert (about["n"], about["model"], about["seed"]) == (6, "demo", 0)
    assert about["fields"] == {"chest[0]": "0,0,60,50", "chest[2]": "0,0,60,50"}


def test_all_slices_that_are_put_back_are_post_processed_alike(controller, engine, viewer, volume, told):
    use(controller, volume)
    drawn(controller, engine)
    with_run_of_slice(controller, 0)
    controller.state.postprocessing.cleaning = Cleaning(smallest_object=10)
    controller.put_masks_back()  # before the screen has followed
    counts = viewer.layers[-1].data
    assert not counts[0].any()  # objects of 9 pixels
    assert counts[2].sum() == Cleaning(smallest_object=10).apply(controller.results.run.masks).sum() > 0
    assert viewer.layers[-1].metadata["ambiseg counts"]["cleaning"] == "--smallest-object 10"
    controller.state.postprocessing.cleaning = Cleaning(threshold=0.5)  # which needs what slice 0 does not have
    controller.put_masks_back()
    assert told()[-1].startswith("1 of 2 slices were drawn in another way")
    assert not viewer.layers[-1].data[0].any()


@pytest.mark.parametrize(("n", "kind"), [(255, np.uint8), (256, np.uint16), (300, np.uint16)])
def test_more_samples_than_a_byte_counts_are_counted(controller, engine, viewer, volume, n, kind):
    use(controller, volume)
    controller.state.sampling.n_samples = 6
    drawn(controller, engine)
    with_run_of_slice(controller, 2, n=n)
    with_run_of_slice(controller, 3, n=n)
    controller.opener.open_case(3)
    controller.tick()
    controller.put_masks_back()
    assert viewer.layers[-1].data.dtype == kind
    assert set(np.unique(viewer.layers[-1].data[2:4]).tolist()) == {0, n}


def test_in_a_blind_read_nothing_is_put_back(controller, engine, viewer, volume, told):
    use(controller, volume)
    drawn(controller, engine)
    controller.reader.toggle()
    controller.tick()
    count = len(viewer.layers)
    controller.put_masks_back()
    assert len(viewer.layers) == count
    assert "reveal first" in told()[-1]


def test_without_masks_there_is_nothing_to_put_back(controller, viewer, volume, told):
    use(controller, volume)
    count = len(viewer.layers)
    controller.put_masks_back()
    assert len(viewer.layers) == count
    assert "generate some first" in told()[-1]
