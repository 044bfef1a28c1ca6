"""Records to layers and back: names, colours, outlines; what the user changed stays."""

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Shapes
from skimage.draw import polygon2mask

from napari_ambiseg import layers as spec
from napari_ambiseg.layer_book import LayerBook
from napari_ambiseg.layers import (
    EXPERT,
    IMAGE,
    KEY,
    MAX_OUTLINES,
    SAMPLES,
    TRAJECTORY,
    VARIANCE,
    VOTES,
    Origin,
    case_layers,
    expert_colour,
    opened_layers,
    outlines,
)
from training.metrics import pixel_variance
from training.records import AnnotatedSlice

ORIGIN = Origin("file.hdf5", "val", 3)


def make_case(n_experts=4, side=16, spacing=None, empty=(), seed=0):
    rng = np.random.default_rng(seed)
    masks = np.zeros((n_experts, side, side), bool)
    for number, mask in enumerate(masks, start=1):
        if number not in empty:
            top, left = rng.integers(1, side - 8, 2)
            mask[top : top + 6, left : left + 4] = True
    return AnnotatedSlice(rng.random((side, side), np.float32), masks, "patient 1", "key", spacing)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def book(viewer):
    return LayerBook(viewer)


def roles(viewer):
    return [layer.metadata[KEY]["role"] for layer in viewer.layers]


def test_an_outline_runs_half_way_between_the_pixels():
    mask = np.zeros((7, 9), bool)
    mask[2:5, 3:7] = True
    (path,) = outlines(mask)
    assert np.array_equal(path[0], path[-1])
    assert (path.min(axis=0), path.max(axis=0)) == (pytest.approx((1.5, 2.5)), pytest.approx((4.5, 6.5)))


def test_a_mask_at_the_border_has_a_closed_outline_too():
    (path,) = outlines(np.ones((4, 5), bool))
    assert np.array_equal(path[0], path[-1])
    assert path.max(axis=0) == pytest.approx((3.5, 4.5))


def test_an_outline_filled_again_is_the_mask():
    mask = np.random.default_rng(1).random((30, 30)) > 0.4
    filled = np.zeros_like(mask)
    for path in outlines(mask):  # a hole is a path within another: filling twice empties it
        filled ^= polygon2mask(mask.shape, path)
    assert np.array_equal(filled, mask)


def test_an_empty_mask_has_no_outline():
    assert outlines(np.zeros((5, 5), bool)) == []


def test_a_case_is_its_image_its_votes_and_a_layer_for_each_expert():
    case = make_case(3, empty=(2,))
    image, votes, *experts = (Layer.create(*data) for data in case_layers(case, ORIGIN))
    assert np.array_equal(image.data, case.image)
    assert tuple(image.contrast_limits) == (0, 1)
    assert np.array_equal(votes.data, case.masks.sum(axis=0))
    assert tuple(votes.contrast_limits) == (0, 3)
    assert [layer.name for layer in experts] == ["expert 1", "expert 2: none", "expert 3"]
    assert [layer.nshapes for layer in experts] == [1, 0, 1]
    assert image.metadata[KEY] == {
        "role": "image", "patient": "patient 1", "source": "file.hdf5", "split": "val", "index": 3, "key": "key",
    }  # fmt: skip
    assert [layer.metadata[KEY]["area_px"] for layer in experts] == [24, 0, 24]


def test_every_vote_count_has_a_colour_of_its_own_and_none_is_transparent():
    votes = Layer.create(*case_layers(make_case(4), ORIGIN)[1])
    colours = votes.colormap.map(np.arange(5) / 4)
    assert colours[0, 3] == 0
    assert np.all(colours[1:, 3] == 1)
    assert len(np.unique(colours.round(3), axis=0)) == 5


def test_experts_differ_by_colour_and_by_number():
    assert len({expert_colour(number) for number in range(1, 9)}) == 8
    for number, (data, options, kind) in enumerate(case_layers(make_case(9), ORIGIN)[2:], start=1):
        layer = Layer.create(data, options, kind)
        assert list(layer.text.values) == [str(number)]


def test_the_scale_is_the_spacing_only_where_it_is_known(book, viewer):
    book.show_case(make_case(), ORIGIN)
    assert all(tuple(layer.scale) == (1, 1) for layer in viewer.layers)
    case = make_case(spacing=(0.6, 0.7))
    book.show_case(case, ORIGIN)
    book.show_samples(case.masks, {}, case.spacing_mm)
    book.show_trajectory(np.zeros((2, 3, 16, 16), np.float16), "x_t", case.spacing_mm)
    assert all(tuple(layer.scale[-2:]) == (0.6, 0.7) for layer in viewer.layers)


def test_layers_lie_in_one_order_whatever_came_first(book, viewer):
    case = make_case()
    book.show_samples(case.masks, {}, (1, 1))
    book.show_case(case, ORIGIN)
    book.show_trajectory(np.zeros((2, 3, 16, 16), np.float16), "x0_hat", (1, 1))
    assert roles(viewer) == [IMAGE, VOTES, VARIANCE, TRAJECTORY, SAMPLES, *[EXPERT] * 4]
    assert [layer.metadata[KEY]["number"] for layer in list(viewer.layers)[-4:]] == [1, 2, 3, 4]


def test_outlines_of_experts_and_samples_cannot_be_moved_by_accident(book, viewer):
    case = make_case()
    book.show_case(case, ORIGIN)
    book.show_samples(case.masks, {}, (1, 1))
    shapes = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    assert len(shapes) == 5
    assert not any(layer.editable for layer in shapes)
    assert all(layer.locked for layer in shapes)


def test_another_case_fills_the_layers_that_are_there(book, viewer):
    book.show_case(make_case(), ORIGIN)
    before = list(viewer.layers)
    other = make_case(empty=(1,), seed=5)
    book.show_case(other, Origin("file.hdf5", "val", 4))
    assert list(viewer.layers) == before
    assert np.array_equal(book.find(IMAGE).data, other.image)
    assert book.find(EXPERT, 1).name == "expert 1: none"
    assert book.find(EXPERT, 1).nshapes == 0
    assert all(layer.metadata[KEY]["index"] == 4 for layer in viewer.layers)


def test_experts_that_a_case_does_not_have_lose_their_layer(book, viewer):
    book.show_case(make_case(5), ORIGIN)
    book.show_case(make_case(2), ORIGIN)
    assert roles(viewer) == [IMAGE, VOTES, EXPERT, EXPERT]
    assert tuple(book.find(VOTES).contrast_limits) == (0, 2)


def test_what_the_user_changed_stays_from_case_to_case(book):
    book.show_case(make_case(), ORIGIN)
    expert, image = book.find(EXPERT, 2), book.find(IMAGE)
    expert.edge_color, expert.edge_width = "red", 2.0
    expert.name, expert.visible = "my colleague", False
    image.contrast_limits, image.metadata["note"] = (0.2, 0.6), "mine"
    for empty in ((2,), ()):  # through a case where the expert saw nothing, too
        book.show_case(make_case(empty=empty), ORIGIN)
    assert np.allclose(expert.edge_color, [[1, 0, 0, 1]])
    assert expert.edge_width == [2.0]
    assert (expert.name, expert.visible) == ("my colleague", False)
    assert tuple(image.contrast_limits) == (0.2, 0.6)
    assert image.metadata["note"] == "mine"


def test_an_expert_empty_at_first_gets_its_colour_later(book):
    book.show_case(make_case(empty=(3,)), ORIGIN)
    book.show_case(make_case(), ORIGIN)
    expert = book.find(EXPERT, 3)
    assert np.allclose(expert.edge_color * 255, [[0, 0x9E, 0x73, 255]], atol=0.6)
    assert list(expert.text.values) == ["3"]


def test_a_deleted_layer_comes_back_in_its_place(book, viewer):
    book.show_case(make_case(), ORIGIN)
    viewer.layers.remove(book.find(EXPERT, 2))
    viewer.layers.remove(book.find(IMAGE))
    book.show_case(make_case(), ORIGIN)
    assert roles(viewer) == [IMAGE, VOTES, *[EXPERT] * 4]
    assert [layer.metadata[KEY].get("number") for layer in viewer.layers][2:] == [1, 2, 3, 4]


def test_layers_of_others_are_left_alone(book, viewer):
    mine = viewer.add_image(np.zeros((4, 4)), metadata={"ambiseg": "a note of my own"})
    plain = viewer.add_labels(np.zeros((4, 4), int))
    book.show_case(make_case(), ORIGIN)
    book.remove_all()
    assert list(viewer.layers) == [mine, plain]


def test_samples_are_outlined_up_to_a_number_and_the_variance_is_of_all(book):
    rng = np.random.default_rng(0)
    masks = np.zeros((40, 16, 16), bool)
    for mask in masks[3:]:
        mask[4 : rng.integers(6, 12), 4:9] = True
    book.show_samples(masks, {"model": "demo"}, (1, 1))
    samples, variance = book.find(SAMPLES), book.find(VARIANCE)
    assert list(samples.features["sample"]) == list(range(4, MAX_OUTLINES + 1))
    assert np.array_equal(variance.data, pixel_variance(masks))
    assert tuple(variance.contrast_limits) == (0, 0.25)
    assert variance.colorbar.visible
    assert variance.colormap.map(np.array([0.0]))[0, 3] == 0
    assert samples.metadata[KEY] == {"role": "samples", "n": 40, "model": "demo"}


def test_only_empty_samples_are_shown_without_complaint(book):
    book.show_samples(np.zeros((3, 8, 8), bool), {}, (1, 1))
    assert book.find(SAMPLES).nshapes == 0
    book.show_samples(np.ones((3, 8, 8), bool), {}, (1, 1))
    assert book.find(SAMPLES).nshapes == 3


def test_forgetting_samples_empties_their_layers_and_keeps_them(book, viewer):
    case = make_case()
    book.show_samples(case.masks, {}, (1, 1))
    book.show_trajectory(np.ones((4, 11, 16, 16), np.float16), "x_t", (1, 1))
    before = list(viewer.layers)
    book.clear_samples()
    book.clear_trajectory(keep_sliders=True)
    assert viewer.dims.nsteps[:2] == (4, 11)
    assert np.isnan(book.find(TRAJECTORY).data).all()
    book.clear_trajectory()
    assert list(viewer.layers) == before
    assert book.find(SAMPLES).nshapes == 0
    assert not book.find(VARIANCE).data.any()
    assert np.isnan(book.find(TRAJECTORY).data).all()  # transparent, over the next case's image
    assert viewer.dims.nsteps[:2] == (1, 1)


def test_the_trajectory_keeps_a_fixed_contrast_and_the_users_colours(book):
    frames = np.zeros((2, 3, 8, 8), np.float16)
    book.show_trajectory(frames, "x_t", (1, 1))
    layer = book.find(TRAJECTORY)
    assert tuple(layer.contrast_limits) == (-2, 2)
    layer.colormap = "magma"
    book.show_trajectory(frames + 9, "x_t", (1, 1))
    assert layer.colormap.name == "magma"
    assert tuple(layer.contrast_limits) == (-2, 2)
    book.show_trajectory(frames, "x0_hat", (1, 1))
    assert layer.colormap.name != "magma"
    assert tuple(layer.contrast_limits) == (-1, 1)


def test_the_trajectory_is_filled_in_place(book, viewer):
    frames = np.full((2, 3, 8, 8), np.nan, np.float16)
    book.show_trajectory(frames, "x_t", (1, 1))
    viewer.dims.set_current_step((0, 1), (1, 2))
    layer, redrawn = book.find(TRAJECTORY), []
    layer.events.set_data.connect(redrawn.append)
    frames[1, 2] = 0.5
    book.refresh_trajectory()
    assert len(redrawn) == 1
    assert layer.get_value((1, 2, 4, 4)) == 0.5
    layer.visible = False
    redrawn.clear()
    book.refresh_trajectory()  # nobody looks: costs nothing
    assert not redrawn


def test_a_wish_to_see_a_layer_is_kept_until_it_comes(book):
    book.set_visible(VARIANCE, True)
    book.show_samples(make_case().masks, {}, (1, 1))
    assert book.is_visible(VARIANCE)
    assert not book.is_visible(VOTES)


def test_a_copy_of_a_layer_is_the_users_own(book, viewer):
    book.show_case(make_case(), ORIGIN)
    data, options, kind = book.find(IMAGE).as_layer_data_tuple()
    copy = viewer.add_layer(Layer.create(data.copy(), {**options, "name": "image copy"}, kind))
    assert book.opened_from(copy) is None
    other = make_case(seed=8)
    book.show_case(other, ORIGIN)
    assert np.array_equal(copy.data, data)
    assert np.array_equal(book.find(IMAGE).data, other.image)


def test_layers_that_napari_opened_become_ours(book, viewer):
    for data in opened_layers(make_case(), ORIGIN):
        viewer.add_layer(Layer.create(*data))
    before = list(viewer.layers)
    assert [book.opened_from(layer) is not None for layer in before] == [True] + [False] * 5
    assert book.opened_from(before[0])["source"] == "file.hdf5"
    book.adopt()
    assert list(viewer.layers) == before
    assert not any(spec.OPENED in layer.metadata[KEY] for layer in before)
    assert before[2].locked


def test_layers_of_a_second_opening_give_way_to_those_that_are_there(book, viewer):
    book.show_case(make_case(), ORIGIN)
    book.find(EXPERT, 1).name = "mine"
    before = list(viewer.layers)
    for data in opened_layers(make_case(6), Origin("other.hdf5", "test", 0)):
        viewer.add_layer(Layer.create(*data))
    book.adopt()
    assert list(viewer.layers)[:6] == before
    assert [layer.metadata[KEY]["number"] for layer in list(viewer.layers)[6:]] == [5, 6]


def test_the_book_does_not_keep_its_viewer_alive():
    viewer = ViewerModel()
    book, gone = LayerBook(viewer), weakref.ref(viewer)
    book.show_case(make_case(), ORIGIN)
    del viewer
    gc.collect()
    assert gone() is None
    with pytest.raises(ReferenceError):
        book.find(IMAGE)


def test_images_keep_their_type():
    """An Image layer of float32, so that hovering shows the file's own values."""
    image = Layer.create(*case_layers(make_case(), ORIGIN)[0])
    assert isinstance(image, Image)
    assert image.data.dtype == np.float32
