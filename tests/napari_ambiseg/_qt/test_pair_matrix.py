"""The matrix of distances: what a click and the keys choose, what is painted, and how large it gets."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_ambiseg._qt.pair_matrix import PairMatrix, described

NAMES = ("A", "B", "1", "2")
DISTANCES = np.array([[0, 0.25, 0.5, 1], [0.25, 0, 0.75, 1], [0.5, 0.75, 0, 1], [1, 1, 1, 0]], float)


@pytest.fixture
def matrix(qtbot):
    matrix = PairMatrix()
    qtbot.addWidget(matrix)
    matrix.resize(360, 100)
    matrix.show_distances(NAMES, DISTANCES, None)
    matrix.show()
    return matrix


@pytest.fixture
def chosen(matrix):
    """The pairs that were chosen, as they come."""
    chosen = []
    matrix.chosen.connect(chosen.append)
    return chosen


def middle(matrix, row, column):
    return matrix.rect_of(row, column).center()


def colour(matrix, row, column):
    """Of a cell's corner, which no text covers."""
    at = matrix.rect_of(row, column).topLeft() + QPoint(3, 3)
    return matrix.grab().toImage().pixelColor(at).getRgb()[:3]


def test_a_click_chooses_the_pair_of_its_cell_and_the_diagonal_none(matrix, chosen, qtbot):
    for row, column in ((0, 1), (3, 1), (2, 2)):
        qtbot.mouseClick(matrix, Qt.MouseButton.LeftButton, pos=middle(matrix, row, column))
    assert chosen == [("A", "B"), ("2", "B")]


@pytest.mark.parametrize("at", [QPoint(2, 2), QPoint(359, 2), QPoint(2, 90)])
def test_a_click_on_the_heads_chooses_nothing(matrix, chosen, qtbot, at):
    qtbot.mouseClick(matrix, Qt.MouseButton.LeftButton, pos=at)
    assert chosen == []


def test_the_arrow_keys_and_enter_reach_every_cell(matrix, chosen, qtbot):
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Space, *[Qt.Key.Key_Right] * 5):
        qtbot.keyClick(matrix, key)
    for key in (*[Qt.Key.Key_Up] * 9, Qt.Key.Key_Enter):
        qtbot.keyClick(matrix, key)
    assert chosen == [("A", "B"), ("B", "1"), ("A", "2")]


def test_the_pair_under_the_mouse_or_the_cursor_is_named(matrix, qtbot):
    pointed = []
    matrix.pointed.connect(pointed.append)
    for row, column in ((1, 2), (1, 1)):
        matrix.mouseMoveEvent(SimpleNamespace(pos=partial(middle, matrix, row, column)))
    qtbot.keyClick(matrix, Qt.Key.Key_Down)
    qtbot.keyClick(matrix, Qt.Key.Key_Left)
    assert pointed == [("B", "1"), None, ("B", "A")]


def test_far_pairs_are_brighter_and_near_ones_are_not_told_by_colour_alone(matrix):
    reds = [colour(matrix, 0, column)[0] for column in (0, 1, 2, 3)]
    assert reds == sorted(set(reds))
    bare = PairMatrix()
    bare.resize(360, 100)
    bare.show_distances(NAMES, np.zeros((4, 4)), None)
    assert matrix.grab().toImage() != bare.grab().toImage()


def test_the_chosen_pair_is_marked_on_both_sides_of_the_diagonal(matrix):
    before = matrix.grab().toImage()
    matrix.show_distances(NAMES, DISTANCES, ("B", "1"))
    after = matrix.grab().toImage()
    changed = {
        (row, column)
        for row in range(4)
        for column in range(4)
        if any(
            before.pixel(at) != after.pixel(at)
            for at in (matrix.rect_of(row, column).center() + QPoint(dx, 0) for dx in range(-26, 27))
        )
    }
    assert {(1, 2), (2, 1)} <= changed


def test_the_value_of_a_pair_is_its_distance_and_a_stranger_has_none(matrix):
    assert matrix.value(("A", "2")) == 1
    assert matrix.value(("2", "A")) == 1
    assert matrix.value(("A", "17")) is None


@pytest.mark.parametrize("count", [1, 4, 20, 68, 140])
@pytest.mark.parametrize("width", [280, 380])
def test_all_cells_fit_in_the_width_and_the_height_follows(qtbot, count, width):
    matrix = PairMatrix()
    qtbot.addWidget(matrix)
    matrix.resize(width, 10)
    names = ("A", "B", "C", "D", *(str(number) for number in range(1, count)))[:count]
    matrix.show_distances(names, np.zeros((count, count)), None)
    last = matrix.rect_of(count - 1, count - 1)
    if count <= 68:
        assert last.right() <= width
    assert last.bottom() <= matrix.height()
    matrix.grab()


def test_another_case_with_fewer_masks_leaves_no_old_cursor_behind(matrix, chosen, qtbot):
    for _ in range(3):
        qtbot.keyClick(matrix, Qt.Key.Key_Down)
    matrix.show_distances(("A",), np.zeros((1, 1)), ("A", "2"))
    qtbot.keyClick(matrix, Qt.Key.Key_Return)
    matrix.show_distances((), np.zeros((0, 0)), None)
    qtbot.keyClick(matrix, Qt.Key.Key_Return)
    matrix.grab()
    assert chosen == []


def test_a_pair_is_described_in_words():
    assert described(("A", "3")) == "expert A and sample 3"
