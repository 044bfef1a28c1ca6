"""Names of outlines: outside of what is marked, and apart from each other, at any zoom."""

import numpy as np
import pytest

from napari_ambiseg.layers.lettering import Name, placed
from napari_ambiseg.layers.outlines import outlines

LINE, CHARACTER = 15.0, 11.5  # pixels of the screen


def boxes(names, marked, screen_pixel):
    """Rectangles of all texts, (T, 4): first row, first column, last row, last column."""
    found = []
    for name, places in zip(names, placed(names, marked, screen_pixel), strict=True):
        for text, (row, column) in zip(name.texts, places, strict=True):
            half = np.array([LINE, CHARACTER * len(text)]) * screen_pixel / 2
            middle = np.array([row, column])
            found.append(np.concatenate([middle - half, middle + half]))
    return np.array(found)


def covers(box, marked):
    """Whether a rectangle touches a marked pixel, by looking at every pixel."""
    rows, columns = marked.nonzero()
    return bool(
        ((rows + 0.5 > box[0]) & (rows - 0.5 < box[2]) & (columns + 0.5 > box[1]) & (columns - 0.5 < box[3])).any()
    )


def overlap(a, b):
    return a[0] < b[2] - 1e-9 and b[0] < a[2] - 1e-9 and a[1] < b[3] - 1e-9 and b[1] < a[3] - 1e-9


def blob(centre, radius, side=128):
    rows, columns = np.mgrid[:side, :side]
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


@pytest.mark.parametrize("screen_pixel", [0.05, 0.1, 0.2, 0.35])
@pytest.mark.parametrize("radius", [1, 5, 20])
@pytest.mark.parametrize("centre", [(64, 64), (3, 5), (120, 60)])
def test_no_letter_covers_what_is_marked_nor_another_letter(screen_pixel, radius, centre):
    rng = np.random.default_rng(radius)
    masks = np.array([blob(np.add(centre, rng.normal(0, 1, 2)), radius + at / 2) for at in range(4)])
    names = [
        Name((letter,), outlines(mask)[0], at / 4) for at, (letter, mask) in enumerate(zip("ABCD", masks, strict=True))
    ]
    marked = masks.any(axis=0)
    found = boxes(names, marked, screen_pixel)
    assert not any(covers(box, marked) for box in found)
    assert not any(overlap(found[i], found[j]) for i in range(4) for j in range(i))
    assert found.min() >= -0.5
    assert found.max() <= 127.5


def test_a_letter_keeps_its_distance_on_the_screen():
    mask = blob((64, 64), 10)
    name = Name(("A",), outlines(mask)[0], 0.125)  # straight up
    gaps = []
    for screen_pixel in (0.05, 0.1, 0.2):
        ((_, _, bottom, _),) = boxes([name], mask, screen_pixel)
        gaps.append((53.5 - bottom) / screen_pixel)
    assert gaps == pytest.approx([gaps[0]] * 3, abs=1)
    assert 0 < gaps[0] < 10


def test_an_inner_outline_s_letter_stands_outside_of_the_outer_one():
    inner, outer = blob((64, 64), 3), blob((64, 64), 25)
    name = Name(("A",), outlines(inner)[0], 0.0)
    (box,) = boxes([name], inner | outer, 0.2)
    assert not covers(box, outer)


def test_texts_of_one_name_stand_in_a_row():
    mask = blob((64, 64), 6)
    ((first, second, third),) = placed([Name(("A=", "B=", "D"), outlines(mask)[0], 0.0)], mask, 0.2)
    assert first[0] == second[0] == third[0]
    assert second[1] - first[1] == pytest.approx(2 * CHARACTER * 0.2)
    assert third[1] - second[1] == pytest.approx(1.5 * CHARACTER * 0.2)


def test_a_lesion_that_fills_the_slice_has_its_name_all_the_same():
    mask = np.ones((32, 32), bool)
    ((at,),) = placed([Name(("A",), outlines(mask)[0], 0.0)], mask, 0.2)
    assert np.isfinite(at).all()
