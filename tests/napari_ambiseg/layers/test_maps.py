"""The maps: exact values on toy masks, and one fixed scale for every case."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_ambiseg.layers.colours import predicted_colormap
from napari_ambiseg.layers.maps import (
    DIFFERENCE,
    EXPERT_VARIANCE,
    MAPS,
    SAMPLE_SHARE,
    SAMPLE_VARIANCE,
    SCALES,
    VOTES,
    difference_map,
    share_map,
    variance_map,
    votes_map,
)
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, MAP

# One pixel each: nobody, the first, the first two, all of four.
MASKS = np.array([[[0, 1, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 0, 1]], [[0, 0, 0, 1]]], bool)
PLACE = Place(scale=(0.5, 0.7), translate=(3.0, 4.0))


def made(data):
    layer = Layer.create(*data)
    assert layer.metadata[KEY]["role"] == MAP
    assert (tuple(layer.scale), tuple(layer.translate)) == (PLACE.scale, PLACE.translate)
    return layer


def test_votes_are_counts_up_to_all_experts():
    layer = made(votes_map(MASKS, PLACE))
    assert layer.data.tolist() == [[0, 1, 2, 4]]
    assert tuple(layer.contrast_limits) == (0, 4)
    assert layer.metadata[KEY]["map"] == VOTES


def test_the_share_of_samples_goes_from_nothing_to_all():
    layer = made(share_map(MASKS, PLACE, {"model": "demo"}))
    assert layer.data.tolist() == [[0, 0.25, 0.5, 1]]
    assert tuple(layer.contrast_limits) == (0, 1)
    assert (layer.metadata[KEY]["map"], layer.metadata[KEY]["model"]) == (SAMPLE_SHARE, "demo")


@pytest.mark.parametrize("masks", [MASKS, MASKS[:1], np.zeros((3, 1, 4), bool)])
def test_the_variance_has_one_scale_whatever_the_case(masks):
    layer = made(variance_map(masks, EXPERT_VARIANCE, PLACE, {}))
    share = masks.mean(axis=0)
    assert layer.data == pytest.approx(share * (1 - share))
    assert tuple(layer.contrast_limits) == (0, 0.25)


def test_a_difference_tells_first_second_and_both_apart_in_the_pair_s_colours():
    first, second = np.array([[0, 1, 0, 1]], bool), np.array([[0, 0, 1, 1]], bool)
    layer = made(difference_map(first, second, ("A", "3"), ("#FF0000", "#0000FF"), PLACE))
    assert layer.data.tolist() == [[0, 1, 2, 3]]
    colours = layer.colormap.map(layer.data.ravel() / 3)
    assert colours[0, 3] == 0
    assert colours[1].tolist() == [1, 0, 0, 1]
    assert colours[2].tolist() == [0, 0, 1, 1]
    assert len({*map(tuple, colours.round(2))}) == 4
    assert (layer.metadata[KEY]["map"], layer.metadata[KEY]["pair"]) == (DIFFERENCE, ("A", "3"))


def test_nothing_is_transparent_in_every_map():
    for data in (votes_map(MASKS, PLACE), share_map(MASKS, PLACE, {}), variance_map(MASKS, EXPERT_VARIANCE, PLACE, {})):
        assert made(data).colormap.map(np.zeros(1))[0, 3] == 0


def test_every_map_says_its_scale():
    assert set(SCALES) == set(MAPS)


def test_no_colormap_has_a_longer_name_than_napari_s_own():
    """napari's left column gets as wide as the longest of them, and the picture would move."""
    maps = [
        votes_map(MASKS, PLACE), share_map(MASKS, PLACE, {}), variance_map(MASKS, SAMPLE_VARIANCE, PLACE, {}),
        difference_map(MASKS[0], MASKS[1], ("A", "64"), ("#E69F00", "#56B4E9"), PLACE),
    ]  # fmt: skip
    names = [options["colormap"].name for _, options, _ in maps] + [predicted_colormap().name]
    assert max(map(len, names)) <= len("twilight shifted")
    assert len(set(names)) == len(names)
