"""The layers of one viewer: found by role, filled in place, and left as the user wants them."""

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer, Shapes
from napari.layers._layer_actions import _duplicate_layer

from napari_ambiseg._compat import camera
from napari_ambiseg.layers.book import LayerBook, role_of
from napari_ambiseg.layers.case import image_layer, opened_layers
from napari_ambiseg.layers.experts import expert_outlines, experts_layer
from napari_ambiseg.layers.maps import EXPERT_VARIANCE, variance_map, votes_map
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import (
    EXPERTS,
    FIELD,
    IMAGE,
    KEY,
    MAP,
    OPENED,
    ORDER,
    READING,
    SAMPLES,
    TRAJECTORY,
    Origin,
)
from napari_ambiseg.layers.samples import samples_layer
from napari_ambiseg.layers.trajectory import trajectory_layer
from training.export.colours import expert_colour
from training.records import AnnotatedSlice

ORIGIN = Origin("file.hdf5", "val", 3)


def make_case(n_experts=4, side=16, empty=(), seed=0):
    rng = np.random.default_rng(seed)
    masks = np.zeros((n_experts, side, side), bool)
    for number, mask in enumerate(masks, start=1):
        if number not in empty:
            top, left = rng.integers(1, side - 8, 2)
            mask[top : top + 6, left : left + 4] = True
    return AnnotatedSlice(rng.random((side, side), np.float32), masks, "patient 1", "key")


def everything(case, place=Place()):  # noqa: B008 - frozen
    """One layer of every kind that the model or a case gives, the topmost first."""
    return [
        experts_layer(expert_outlines(case), case.key, place),
        samples_layer(case.masks, None, place, {"model": "demo"}),
        trajectory_layer(np.zeros((2, 3, *case.image.shape), np.float16), "x_t", place),
        votes_map(case.masks, place),
        image_layer(case, ORIGIN, place),
    ]


@pytest.fixture
def book(viewer):
    return LayerBook(viewer)


def roles(viewer):
    return [role_of(layer) for layer in viewer.layers]


def ordered(*wanted):
    return [role for role in ORDER if role in wanted]


def test_layers_lie_in_one_order_whatever_came_first(book, viewer):
    for layer_data in everything(make_case()):
        book.show(layer_data)
    assert roles(viewer) == ordered(IMAGE, MAP, TRAJECTORY, SAMPLES, EXPERTS)


def test_a_new_layer_lies_below_what_it_must_not_hide_among_the_users_own(book, viewer):
    case = make_case()
    mine = viewer.add_labels(np.zeros((16, 16), int))
    book.show(experts_layer(expert_outlines(case), case.key, Place()))
    above = viewer.add_points([[1, 1]])
    book.show(image_layer(case, ORIGIN, Place()))
    assert list(viewer.layers) == [mine, book.find(IMAGE), book.find(EXPERTS), above]


def test_other_data_fill_the_layers_that_are_there(book, viewer):
    for layer_data in everything(make_case()):
        book.show(layer_data)
    before = list(viewer.layers)
    other = make_case(n_experts=2, side=40, seed=5)
    for layer_data in everything(other):
        book.show(layer_data)
    assert list(viewer.layers) == before
    assert np.array_equal(book.find(IMAGE).data, other.image)
    assert np.array_equal(book.find(MAP).data, other.masks.sum(axis=0))
    assert tuple(book.find(MAP).contrast_limits) == (0, 2)
    assert set(book.find(EXPERTS).features["outline"]) == {"A", "B"}
    assert book.find(TRAJECTORY).data.shape == (2, 3, 40, 40)


def test_all_layers_take_over_where_the_slice_lies_and_give_it_back(book, viewer):
    case = make_case()
    affine = np.array([[0.0, 1, 30], [-1, 0, 5], [0, 0, 1]])
    for place in (Place(), Place((0.5, 0.7), (3, 4), affine), Place((2.0, 2.0)), Place()):
        for layer_data in everything(case, place):
            book.show(layer_data)
        moved = np.eye(3) if place.affine is None else place.affine
        expected = (moved @ (*np.add(place.translate, np.multiply(place.scale, (2, 3))), 1))[:2]
        for layer in viewer.layers:
            leading = (0,) * (layer.ndim - 2)
            assert np.allclose(layer.data_to_world((*leading, 2, 3))[-2:], expected), (layer.name, place)


def test_what_the_user_moved_by_accident_is_put_back(book):
    case = make_case()
    layer = book.show(image_layer(case, ORIGIN, Place()))
    layer.translate = (40, 40)
    book.show(image_layer(case, ORIGIN, Place()))
    assert tuple(layer.translate) == (0, 0)


def test_what_the_user_changed_stays(book):
    case = make_case()
    for layer_data in everything(case):
        book.show(layer_data)
    image, experts = book.find(IMAGE), book.find(EXPERTS)
    image.contrast_limits, image.metadata["note"], image.gamma = (0.2, 0.6), "mine", 0.5
    experts.name, experts.visible, experts.opacity, experts.text.visible = "my colleagues", False, 0.4, False
    for layer_data in everything(make_case(seed=9)):
        book.show(layer_data)
    assert tuple(image.contrast_limits) == (0.2, 0.6)
    assert (image.metadata["note"], image.gamma) == ("mine", 0.5)
    assert (experts.name, experts.visible, experts.opacity, experts.text.visible) == (
        "my colleagues",
        False,
        0.4,
        False,
    )


def test_an_expert_whom_the_user_recoloured_keeps_that_colour(book):
    case = make_case()
    layer = book.show(experts_layer(expert_outlines(case), case.key, Place()))
    colours = np.array(layer.edge_color)
    colours[(layer.features["colour"] == expert_colour(2)).to_numpy()] = (1, 0, 0, 1)
    layer.edge_color = colours
    for empty in ((2,), (), (1, 3)):  # through a case where that expert saw nothing, too
        book.show(experts_layer(expert_outlines(make_case(empty=empty)), case.key, Place()))
    red = [np.allclose(colour, (1, 0, 0, 1)) for colour in layer.edge_color]
    assert red == list(layer.features["colour"] == expert_colour(2))
    assert any(red)
    assert set(layer.features["outline"]) == {"B", "D"}


def test_only_empty_masks_are_shown_without_complaint_and_get_their_colours_later(book):
    layer = book.show(experts_layer(expert_outlines(make_case(empty=(1, 2, 3, 4))), "key", Place()))
    assert layer.nshapes == 0
    book.show(experts_layer(expert_outlines(make_case(empty=(1, 2, 4))), "key", Place()))
    assert np.allclose(layer.edge_color[0] * 255, [0, 0x9E, 0x73, 255], atol=0.6)
    assert set(layer.text.values) == {"", "C"}


def test_another_map_brings_its_own_scale_and_name_and_the_same_one_keeps_the_users(book):
    case = make_case()
    layer = book.show(votes_map(case.masks, Place()))
    assert layer.colorbar.visible
    layer.colormap, layer.contrast_limits = "magma", (1, 3)
    book.show(votes_map(case.masks, Place()))
    assert (layer.colormap.name, tuple(layer.contrast_limits)) == ("magma", (1, 3))
    book.show(variance_map(case.masks, EXPERT_VARIANCE, Place(), {}))
    assert tuple(layer.contrast_limits) == (0, 0.25)
    assert layer.colormap.name != "magma"
    assert layer.name == "map: expert variance"


def test_outlines_cannot_be_moved_by_accident_and_the_users_own_drawing_can(book, viewer):
    case = make_case()
    for layer_data in everything(case):
        book.show(layer_data)
    shapes = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    assert len(shapes) == 1
    assert shapes[0].locked
    assert not shapes[0].editable
    drawing = book.show((np.zeros((16, 16), int), {"metadata": {KEY: {"role": READING}}}, "labels"))
    assert drawing.editable


def test_a_deleted_layer_comes_back_in_its_place_when_it_is_next_needed(book, viewer):
    case = make_case()
    for layer_data in everything(case):
        book.show(layer_data)
    for role in (IMAGE, SAMPLES):
        viewer.layers.remove(book.find(role))
    assert roles(viewer) == [TRAJECTORY, MAP, EXPERTS]
    book.clear(SAMPLES)  # nothing to do
    for layer_data in everything(case):
        book.show(layer_data)
    assert roles(viewer) == ordered(IMAGE, MAP, TRAJECTORY, SAMPLES, EXPERTS)


def test_layers_of_others_are_left_alone(book, viewer):
    mine = viewer.add_image(np.zeros((4, 4)), metadata={"ambiseg": "a note of my own"})
    other = viewer.add_image(np.zeros((4, 4)), metadata={"ambiseg": {"role": "not one of ours"}})
    plain = viewer.add_labels(np.zeros((4, 4), int))
    for layer_data in everything(make_case()):
        book.show(layer_data)
    book.remove_all()
    assert list(viewer.layers) == [mine, other, plain]


def test_the_layer_that_the_user_works_on_stays_selected(book, viewer):
    case = make_case()
    book.show(experts_layer(expert_outlines(case), case.key, Place()))
    book.show(image_layer(case, ORIGIN, Place()))
    mine = viewer.add_labels(np.zeros((16, 16), int))
    book.show(samples_layer(case.masks, None, Place(), {}))
    assert viewer.layers.selection.active is mine


def test_a_wish_to_see_a_layer_is_kept_until_it_comes_and_comes_again(book, viewer):
    case = make_case()
    book.set_visible(MAP, False)
    assert not book.is_visible(MAP)
    layer = book.show(votes_map(case.masks, Place()))
    assert not layer.visible
    book.set_visible(MAP, True)
    assert book.is_visible(MAP)
    viewer.layers.remove(layer)
    assert not book.is_visible(MAP)
    book.show(votes_map(case.masks, Place()))
    assert book.is_visible(MAP)


def test_clearing_keeps_the_layers(book, viewer):
    for layer_data in everything(make_case()):
        book.show(layer_data)
    before = list(viewer.layers)
    for role in (MAP, TRAJECTORY, SAMPLES, EXPERTS, FIELD):
        book.clear(role)
    assert list(viewer.layers) == before
    assert not book.find(MAP).data.any()
    assert np.isnan(book.find(TRAJECTORY).data).all()
    assert len(book.find(SAMPLES).data) == book.find(EXPERTS).nshapes == 0


@pytest.mark.parametrize("role", [IMAGE, MAP, TRAJECTORY, SAMPLES, EXPERTS])
def test_a_copy_of_a_layer_is_the_users_own(book, viewer, role):
    case = make_case()
    for layer_data in everything(case):
        book.show(layer_data)
    viewer.layers.events.inserted.connect(lambda event: None if book.ours else book.opened_from(event.value))
    ours = book.find(role)
    viewer.layers.selection = {ours}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers[viewer.layers.index(ours) + 1]
    assert role_of(copy) is None
    assert book.find(role) is ours
    before = [np.array(part) for part in copy.data]
    for layer_data in everything(make_case(seed=8)):
        book.show(layer_data)
    assert all(np.array_equal(old, new, equal_nan=True) for old, new in zip(before, copy.data, strict=True))


def test_layers_that_napari_opened_become_ours(book, viewer):
    for data in opened_layers(make_case(), ORIGIN):
        viewer.add_layer(Layer.create(*data))
    before = list(viewer.layers)
    assert [book.opened_from(layer) is not None for layer in before] == [True, False]
    assert book.opened_from(before[0])["source"] == "file.hdf5"
    book.adopt()
    assert list(viewer.layers) == before
    assert not any(OPENED in layer.metadata[KEY] for layer in before)
    assert before[1].locked


def test_layers_of_a_second_opening_give_way_to_those_that_are_there(book, viewer):
    case = make_case()
    book.show(experts_layer(expert_outlines(case), case.key, Place()))
    book.find(EXPERTS).name = "mine"
    for data in opened_layers(make_case(6), Origin("other.hdf5", "test", 0)):
        viewer.add_layer(Layer.create(*data))
    book.adopt()
    assert [layer.name for layer in viewer.layers] == ["mine", "image"]
    assert roles(viewer) == [EXPERTS, IMAGE]


def test_neither_showing_nor_hiding_moves_the_camera(book, viewer):
    case = make_case()
    book.show(image_layer(case, ORIGIN, Place()))
    eye = camera(viewer)
    eye.center, eye.zoom = (0, 3.0, 5.0), 7.5
    for layer_data in everything(case):
        book.show(layer_data)
    book.clear(TRAJECTORY)
    book.remove(TRAJECTORY)
    assert viewer.dims.ndim == 2
    assert (tuple(eye.center), eye.zoom) == ((0, 3, 5), 7.5)


def test_the_first_layer_is_shown_as_a_whole(book, viewer):
    book.show(image_layer(make_case(side=40), ORIGIN, Place()))
    assert tuple(camera(viewer).center)[-2:] == (19.5, 19.5)


def test_what_we_do_is_known_to_be_ours_even_where_it_fails(book):
    with book.by_us():
        with book.by_us():
            pass
        assert book.ours
    assert not book.ours
    with pytest.raises(KeyError), book.by_us():
        raise KeyError
    assert not book.ours


def test_the_book_does_not_keep_its_viewer_alive():
    viewer = ViewerModel()
    book, gone = LayerBook(viewer), weakref.ref(viewer)
    book.show(image_layer(make_case(), ORIGIN, Place()))
    del viewer
    gc.collect()
    assert gone() is None
    with pytest.raises(ReferenceError):
        book.find(IMAGE)
