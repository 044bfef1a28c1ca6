"""Dash and dot along a line: exact on a straight one, and few pieces on a long one."""

import numpy as np

from napari_ambiseg.layers.dashes import POINTS_APART, dash_dots, dashes
from napari_ambiseg.layers.experts import experts_layer, own_outline
from napari_ambiseg.layers.place import Place
from training.export.own_reading import ME


def length(path):
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def test_dashes_are_as_long_as_the_gaps_between_them():
    line = np.stack([np.zeros(14), POINTS_APART * np.arange(14.0)], axis=1)
    assert [len(piece) - 1 for piece in dashes(line)] == [3, 3, 1]  # steps of 0.7 pixels, and the rest
    assert [round(float(piece[0, 1] / POINTS_APART)) for piece in dashes(line)] == [0, 6, 12]


def test_a_straight_line_is_cut_into_dash_gap_dot_gap():
    pieces = dash_dots(np.stack([np.zeros(12), np.arange(12.0)], axis=1))
    ends = [(round(float(piece[0, 1]), 6), round(float(piece[-1, 1]), 6)) for piece in pieces]
    assert ends == [(0.0, 3.0), (4.0, 4.8), (5.8, 8.8), (9.8, 10.6)]
    np.testing.assert_array_equal(pieces[0][:, 1], [0, 1, 2, 3])  # every corner between is kept


def test_a_long_line_has_no_more_pieces_than_a_screen_can_show():
    turns = np.linspace(0, 2 * np.pi, 4000)
    circle = 300 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    pieces = dash_dots(circle)
    assert 78 <= len(pieces) <= 82
    assert abs(sum(map(length, pieces)) / length(circle) - 3.8 / 5.8) < 0.02


def test_the_own_outline_has_one_word_and_stays_within_its_border():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 12:25] = True
    paths, options, _ = experts_layer([own_outline(mask)], "key", Place())
    assert list(options["features"]["label"]).count(ME) == 1
    drawn = [path for path, label in zip(paths, options["features"]["label"], strict=True) if not label]
    assert len(drawn) > 10
    corners = np.concatenate(drawn)
    np.testing.assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[9.5, 11.5], [29.5, 24.5]])
