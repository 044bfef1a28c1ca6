"""The frames of a walk as one layer: axes sample, step, y, x."""

import numpy as np

from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import TRAJECTORY
from napari_ambiseg.layers.trajectory import trajectory_layer


def show(book, frames, quantity="x_t", place=Place()):  # noqa: B008 - frozen
    return book.show(trajectory_layer(frames, quantity, place))


def test_the_contrast_is_fixed_and_the_users_colours_stay(viewer):
    book, frames = LayerBook(viewer), np.zeros((2, 3, 8, 8), np.float16)
    layer = show(book, frames)
    assert tuple(layer.contrast_limits) == (-2, 2)
    layer.colormap = "magma"
    show(book, frames + 9)
    assert layer.colormap.name == "magma"
    assert tuple(layer.contrast_limits) == (-2, 2)
    show(book, frames, "x0_hat")
    assert layer.colormap.name != "magma"
    assert tuple(layer.contrast_limits) == (-1, 1)


def test_a_predicted_background_and_a_state_not_yet_there_are_transparent(viewer):
    layer = show(LayerBook(viewer), np.zeros((1, 1, 4, 4), np.float16), "x0_hat")
    alphas = layer.colormap.map(np.array([0.0, 0.5, 1.0]))[:, 3]  # of -1, 0 and 1
    assert alphas[0] == 0
    assert 0 < alphas[1] < alphas[2]


def test_it_is_filled_in_place(viewer):
    book, frames = LayerBook(viewer), np.full((2, 3, 8, 8), np.nan, np.float16)
    layer, redrawn = show(book, frames), []
    viewer.dims.set_point((0, 1), (1, 2))
    layer.events.set_data.connect(redrawn.append)
    frames[1, 2] = 0.5
    book.refresh_trajectory()
    assert len(redrawn) == 1
    assert layer.get_value((1, 2, 4, 4)) == 0.5
    layer.visible = False
    redrawn.clear()
    book.refresh_trajectory()  # nobody looks: costs nothing
    assert not redrawn


def test_a_blank_one_keeps_the_sliders_and_takes_no_memory(viewer):
    book = LayerBook(viewer)
    layer = show(book, np.ones((4, 11, 16, 16), np.float16), place=Place(scale=(0.5, 0.5)))
    book.blank_trajectory()
    assert viewer.dims.nsteps[:2] == (4, 11)
    assert np.isnan(layer.data).all()
    assert layer.data.base.nbytes <= 2
    book.clear(TRAJECTORY)
    assert viewer.dims.nsteps[:2] == (1, 1)
    show(book, np.ones((2, 3, 20, 20), np.float16))
    assert viewer.dims.nsteps[:2] == (2, 3)
    assert layer.data.shape == (2, 3, 20, 20)


def test_its_pixels_lie_where_the_models_field_does(viewer):
    affine = np.array([[0.0, 1, 3], [-1, 0, 5], [0, 0, 1]])
    layer = show(LayerBook(viewer), np.zeros((2, 3, 8, 8), np.float16), place=Place((0.6, 0.7), (10.0, 20.0), affine))
    at = layer.data_to_world((1, 2, 4, 5))
    assert np.allclose(at[:2], (1, 2))  # sample and step stay whole numbers
    assert np.allclose(at[2:], (affine @ (10 + 0.6 * 4, 20 + 0.7 * 5, 1))[:2])
