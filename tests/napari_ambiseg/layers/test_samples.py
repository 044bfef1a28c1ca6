"""All samples' outlines in one layer, and what they were before post-processing."""

import numpy as np

from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.outlines import outline_segments
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, SAMPLES
from napari_ambiseg.layers.samples import MAX_OUTLINES, samples_layer


def squares(n, side=16):
    """Squares of growing size, the first one empty."""
    masks = np.zeros((n, side, side), bool)
    for number, mask in enumerate(masks):
        mask[2 : 2 + number % 9, 2 : 2 + number % 9] = True
    return masks


def test_each_segment_says_whose_it_is_counted_from_1():
    masks = squares(5)
    segments, options, kind = samples_layer(masks, None, Place(), {})
    assert kind == "vectors"
    expected, owners = outline_segments(masks)
    assert np.array_equal(segments, expected)
    assert list(options["features"]["sample"]) == list(owners + 1)
    assert set(options["features"]["sample"]) == {2, 3, 4, 5}  # the first one is empty
    assert not options["features"]["before"].any()


def test_no_more_outlines_are_drawn_than_can_be_told_apart():
    masks = np.ones((MAX_OUTLINES + 20, 8, 8), bool)
    _, options, _ = samples_layer(masks, None, Place(), {})
    assert options["features"]["sample"].max() == MAX_OUTLINES
    assert options["metadata"][KEY]["n"] == MAX_OUTLINES + 20


def test_only_what_changed_is_shown_as_it_was_before():
    before = squares(6)
    after = before.copy()
    after[3] = False
    after[5, 2, 2] = False
    segments, options, _ = samples_layer(after, before, Place(), {})
    ghosts = options["features"]["before"]
    assert set(options["features"]["sample"][ghosts]) == {4, 6}
    assert set(options["features"]["sample"][~ghosts]) == {2, 3, 5, 6}
    of_four, _ = outline_segments(before[3:4])
    drawn = segments[ghosts & (options["features"]["sample"] == 4)]
    assert {tuple(s.ravel()) for s in drawn} < {tuple(s.ravel()) for s in of_four}
    assert 0 < len(drawn) < len(of_four)


def test_all_samples_emptied_leave_their_dashes_alone():
    before = squares(4)
    _, options, _ = samples_layer(np.zeros_like(before), before, Place(), {})
    assert options["features"]["before"].all()
    assert set(options["features"]["sample"]) == {2, 3, 4}


def test_the_layer_is_filled_again_with_fewer_more_and_no_outlines(viewer):
    book = LayerBook(viewer)
    for masks in (squares(3), squares(9), np.zeros((4, 16, 16), bool), squares(2), squares(5, side=40)):
        layer = book.show(samples_layer(masks, None, Place(), {"model": "demo"}))
        segments, owners = outline_segments(masks)
        assert np.array_equal(layer.data, segments)
        assert list(layer.features["sample"]) == list(owners + 1)
    assert [role.metadata[KEY]["role"] for role in viewer.layers] == [SAMPLES]


def test_what_the_user_changed_stays_through_empty_samples(viewer):
    book = LayerBook(viewer)
    layer = book.show(samples_layer(squares(3), None, Place(), {}))
    layer.edge_color, layer.edge_width, layer.opacity, layer.name = "red", 0.7, 0.9, "mine"
    for masks in (np.zeros((2, 16, 16), bool), squares(8)):
        book.show(samples_layer(masks, None, Place(), {}))
    assert np.allclose(layer.edge_color, [1, 0, 0, 1])
    assert len(layer.edge_color) == len(layer.data)
    assert (layer.edge_width, layer.opacity, layer.name) == (0.7, 0.9, "mine")
