"""A slice as napari's image layer."""

import numpy as np
from napari.layers import Image, Layer

from napari_ambiseg.layers.case import image_layer, opened_layers
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, OPENED, Origin
from training.data.phantom import phantom_case

ORIGIN = Origin("file.hdf5", "val", 3)


def test_the_image_keeps_its_type_and_says_where_it_comes_from():
    """An image of float32, so that hovering shows the file's own values."""
    case = phantom_case(2, 1, 32).slice
    layer = Layer.create(*image_layer(case, ORIGIN, Place.of(case)))
    assert isinstance(layer, Image)
    assert layer.data.dtype == np.float32
    assert np.array_equal(layer.data, case.image)
    assert tuple(layer.contrast_limits) == (0, 1)
    assert tuple(layer.scale) == case.spacing_mm
    assert layer.metadata[KEY] == {
        "role": "image", "patient": case.patient, "source": "file.hdf5", "split": "val", "index": 3, "key": case.key,
    }  # fmt: skip


def test_what_a_reader_returns_is_marked_as_opened_by_napari():
    layers = [Layer.create(*data) for data in opened_layers(phantom_case(2, 1, 32).slice, ORIGIN)]
    assert [layer.metadata[KEY]["role"] for layer in layers] == ["image", "experts"]
    assert all(layer.metadata[KEY][OPENED] for layer in layers)
