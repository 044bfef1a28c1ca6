"""The experts' outlines in one layer: labels, summary and agreement, exactly on toy masks."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_ambiseg.layers.experts import (
    Outline,
    agreement_name,
    agreement_outline,
    expert_outlines,
    experts_layer,
    summary_outlines,
)
from napari_ambiseg.layers.outlines import outlines
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import EXPERTS, KEY
from training.errors import ConfigError
from training.export.colours import expert_colour
from training.records import AnnotatedSlice

AT_ORIGIN = Place()


def nested(*widths, side=16):
    masks = np.zeros((len(widths), side, side), bool)
    for mask, width in zip(masks, widths, strict=True):
        mask[2 : 2 + width, 2 : 2 + width] = True
    return masks


def case(masks):
    return AnnotatedSlice(np.zeros(masks.shape[1:], np.float32), masks, "patient", "key")


def made(shown, place=AT_ORIGIN):
    return Layer.create(*experts_layer(shown, "key", place))


def texts(layer):
    return [text for text in layer.features["label"] if text]


def test_each_expert_who_drew_has_an_outline_in_a_colour_and_one_letter():
    masks = nested(4, 0, 4)
    masks[2] = masks[2, ::-1, ::-1]
    masks[2, 2:4, 12:14] = True  # a second object, which needs no letter of its own
    layer = made(expert_outlines(case(masks)))
    drawn = layer.features[layer.features["label"] == ""]
    assert list(drawn["outline"]) == ["A", "C", "C"]
    assert list(drawn["colour"]) == [expert_colour(1), expert_colour(3), expert_colour(3)]
    assert texts(layer) == ["A", "C"]
    assert layer.data[0] == pytest.approx(outlines(masks[0])[0])
    assert layer.metadata[KEY] == {"role": EXPERTS, "key": "key"}


def test_experts_who_drew_the_same_take_turns_and_have_one_name():
    masks = nested(8, 5, 8, 8)
    layer = made(expert_outlines(case(masks), hidden=(4,)))
    assert texts(layer) == ["A=", "C", "B"]
    inks = dict(zip(layer.features["label"], layer.features["ink"], strict=True))
    assert (inks["A="], inks["C"]) == (expert_colour(1), expert_colour(3))
    drawn = layer.features[layer.features["label"] == ""]
    assert set(drawn["outline"]) == {"A", "B", "C"}
    assert all((drawn["outline"] == expert).sum() > 2 for expert in "AC")


def test_a_cell_that_names_its_expert_has_no_letter():
    layer = made(expert_outlines(case(nested(4)), lettered=False))
    assert texts(layer) == []
    assert layer.nshapes == 1


def test_hiding_an_expert_moves_no_other_letter():
    all_of_them, without = (made(expert_outlines(case(nested(4, 5, 6, 7)), hidden)) for hidden in ((), (2,)))
    places = [
        {text: tuple(path[0]) for path, text in zip(layer.data, layer.features["label"], strict=True) if text}
        for layer in (all_of_them, without)
    ]
    del places[0]["B"]
    assert places[0] == places[1]


def test_no_outline_at_all_is_an_empty_layer():
    layer = made(expert_outlines(case(nested(0, 0))))
    assert layer.nshapes == 0


def test_the_summary_is_what_all_half_and_anyone_mark():
    masks = nested(2, 4, 6, 8)
    outer, half, inner = summary_outlines(masks)
    assert [int(outline.mask.sum()) for outline in (outer, half, inner)] == [64, 36, 4]
    assert [outline.label for outline in (outer, half, inner)] == ["any", "half: 2", "all: 4"]
    assert [outline.line for outline in (outer, half, inner)] == ["dashed", "solid", "solid"]
    assert len({outline.width for outline in (outer, half, inner)}) == 3


@pytest.mark.parametrize(
    ("count", "labels"),
    [
        (1, ["all"]),
        (2, ["half", "all: 2"]),
        (3, ["any", "half: 2", "all: 3"]),
    ],
)
def test_regions_of_the_summary_that_are_one_are_drawn_once(count, labels):
    assert [outline.label for outline in summary_outlines(nested(*[4] * count))] == labels


def test_dashes_are_pieces_of_the_outline_with_gaps():
    mask = nested(10)
    (whole,) = outlines(mask[0])
    (outer, *_) = summary_outlines(nested(10, 10, 10))
    layer = made([outer])
    pieces = [path for path, text in zip(layer.data, layer.features["label"], strict=True) if not text]
    assert len(pieces) > 3
    points = {tuple(point) for piece in pieces for point in piece}
    assert points < {tuple(point) for point in whole}


@pytest.mark.parametrize("least", [1, 2, 3, 4])
def test_agreement_is_what_at_least_so_many_mark(least):
    masks = np.random.default_rng(least).random((4, 9, 9)) > 0.5
    outline = agreement_outline(masks, least)
    assert np.array_equal(outline.mask, np.sum(masks, axis=0) >= least)
    assert outline.label == f"≥ {least}"


def test_union_majority_and_intersection_have_their_names():
    assert [agreement_name(least, 4) for least in (1, 2, 3, 4)] == ["union", "", "majority", "intersection"]
    assert [agreement_name(least, 3) for least in (1, 2, 3)] == ["union", "majority", "intersection"]
    assert agreement_name(2, 2) == "intersection"
    assert agreement_name(1, 1) == "the only expert"


def test_the_layer_lies_where_the_slice_lies():
    layer = made(expert_outlines(case(nested(4))), Place(scale=(0.5, 0.7), translate=(1.0, 2.0)))
    assert (tuple(layer.scale), tuple(layer.translate)) == ((0.5, 0.7), (1.0, 2.0))


@pytest.mark.parametrize("line", ["dashed", "dash-dot"])
def test_an_outline_with_gaps_cannot_take_turns(line):
    with pytest.raises(ConfigError, match=f"'A' is {line} and cannot take turns; make it solid"):
        Outline(nested(4)[0], "A", "#FFFFFF", line=line, shares=True)
