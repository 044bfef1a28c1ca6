"""The figure of a case: lettered, the same each time, in every form, whatever the case is like."""

import io
import re
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from training.data.field import Field
from training.data.phantom import phantom_case
from training.errors import ConfigError, DataFormatError
from training.export import DrawnCase
from training.export.own_reading import OwnReading, distances
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, SampleSet
from training.report.case_figure import _scale_bar, case_figure, write_case_figure
from training.report.case_picture import _edges


@pytest.fixture(scope="module")
def drawn():
    """A case of which one expert sees nothing, and nine masks."""
    case = phantom_case(0, 20, 64).slice
    masks = np.stack([np.roll(case.masks[i % 4], i, axis=1) for i in range(9)])
    cleaning = Cleaning(relative_area=0.5)
    return DrawnCase(case, SampleSet(masks, 3, {"model": "demo"}), None, cleaning.apply(masks), cleaning)


def bare(drawn):
    """The same without post-processing."""
    return DrawnCase(drawn.case, drawn.samples)


@pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF-"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_is_the_same_file_each_time_without_dates(tmp_path, drawn, form, begins):
    few = DrawnCase(drawn.case, drawn.samples.first(2))
    write_case_figure(tmp_path / f"a.{form}", few, 60)
    content = (tmp_path / f"a.{form}").read_bytes()
    assert content.startswith(begins)
    assert content == case_figure(few, form, 60)
    assert not re.search(rb"20[2-9]\d-\d\d|CreationDate|Matplotlib v", content)


@pytest.mark.parametrize("side", [1.2, 1.75, 6.0])  # inches: panel a of a figure is 1.6 wide
def test_the_length_stands_above_its_bar(side):
    figure, ax = plt.subplots(figsize=(side, side))
    ax.imshow(np.zeros((128, 128)))
    _scale_bar(ax, (128, 128), (0.8, 0.8))
    figure.canvas.draw()
    (bar,), (words,) = ax.lines, ax.texts
    middle = ax.transData.transform((0, bar.get_ydata()[0]))[1]
    top = middle + bar.get_linewidth() / 2 * figure.dpi / 72
    assert words.get_text() == "20 mm"
    assert words.get_window_extent().y0 >= top + 1
    plt.close(figure)


def test_more_dots_make_a_larger_picture(drawn):
    few = DrawnCase(drawn.case, drawn.samples.first(2))
    small, large = (Image.open(io.BytesIO(case_figure(few, "png", dpi))) for dpi in (60, 120))
    assert large.width == pytest.approx(2 * small.width, abs=2)
    assert small.width == pytest.approx(7.1 * 60, abs=1)


def test_a_pdf_can_be_searched_for_its_letters(drawn):
    """Type 42 keeps letters as text; type 3, which publishers refuse, is not used."""
    content = case_figure(DrawnCase(drawn.case, drawn.samples.first(2)), "pdf")
    assert b"/CIDFontType2" in content
    assert b"/Type3" not in content


def texts(monkeypatch, drawn, **options):
    """What is written in the figure."""
    from training.report import case_figure as module

    found = []

    def listen(figure, *arguments):
        found.extend(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))
        return b""

    monkeypatch.setattr(module, "rendered", listen)
    module.case_figure(drawn, **options)
    return found


def test_every_panel_has_its_letter_and_every_expert_too(monkeypatch, drawn):
    found = texts(monkeypatch, drawn)
    for letter in "abcdef":
        assert found.count(letter) == 1
    seen = [letter for letter, mask in zip("ABCD", drawn.case.masks, strict=True) if mask.any()]
    assert f"seen by {len(seen)} of 4" in found
    assert ", ".join(sorted(set("ABCD") - set(seen))) + ": nothing" in found
    assert "9: nothing" in found or "9" in found


def test_numbers_stand_with_n_and_estimator_raw_and_cleaned(monkeypatch, drawn):
    found = texts(monkeypatch, drawn)
    assert {"n = 9", "GED (V)", "GED (U)", "as drawn", "post-processed"} <= set(found)
    assert "drawn masks 1 to 9, post-processed" in found
    assert any("post-processing --postprocess 0.5" in text for text in found)
    assert any("not for diagnosis" in text for text in found)


def test_millimetres_are_only_named_where_they_are_known(monkeypatch, drawn):
    assert "area in mm²; 0 is nothing" in texts(monkeypatch, drawn)
    without = bare(drawn)
    without = replace(without, case=replace(without.case, spacing_mm=None))
    found = texts(monkeypatch, without)
    assert "area in pixels; 0 is nothing" in found
    assert not any("mm" in text for text in found)


def odd_cases():
    shape = (20, 50)
    empty = np.zeros((2, *shape), bool)
    image = np.zeros(shape, np.float32)
    yield "all empty", DrawnCase(AnnotatedSlice(image, empty, "p", "k"), SampleSet(empty, 0))
    yield "one mask", DrawnCase(AnnotatedSlice(image, empty[:1], "p", "k"), SampleSet(~empty[:1], 0))
    yield "nobody", DrawnCase(AnnotatedSlice(image, empty[:0], "p", "k"), SampleSet(~empty, 0))
    yield (
        "one pixel",
        DrawnCase(AnnotatedSlice(image[:1, :1], empty[:, :1, :1], "p", "k"), SampleSet(~empty[:, :1, :1], 0)),
    )
    many = np.zeros((40, *shape), bool)
    yield "many", DrawnCase(AnnotatedSlice(image, many[:30], "p", "$k_$ <&>"), SampleSet(many, 0))
    field = Field(2, 3, 10, 12)
    yield "field", DrawnCase(AnnotatedSlice(image, empty, "p", "k"), SampleSet(empty[:, :10, :12], 0), field=field)


@pytest.mark.parametrize(("name", "drawn"), list(odd_cases()), ids=[name for name, _ in odd_cases()])
def test_any_case_has_a_figure(name, drawn):
    assert Image.open(io.BytesIO(case_figure(drawn, "png", 50))).height > 100


def test_other_ends_and_resolutions_are_told(tmp_path, drawn):
    with pytest.raises(ConfigError, match=r"'a\.jpg'; give a name that ends in one of: \.pdf, \.svg, \.png$"):
        write_case_figure(tmp_path / "a.jpg", drawn)
    for dpi in (0, 49, 5000, float("nan")):
        with pytest.raises(ConfigError, match="choose 50 to 1200"):
            write_case_figure(tmp_path / "a.png", drawn, dpi)
    with pytest.raises(ConfigError, match="choose another place"):
        write_case_figure(tmp_path / "no" / "a.png", bare(drawn), 50)


def test_a_warning_is_a_line_of_its_own(monkeypatch, drawn):
    assert texts(monkeypatch, drawn, warnings=("$Never$ saw a patient.",)).count("$Never$ saw a patient.") == 1


def test_the_reader_s_own_outline_is_told_by_word_dash_and_line(monkeypatch, drawn):
    assert not [text for text in texts(monkeypatch, drawn) if "Me" in text]
    mask = np.roll(drawn.case.masks[drawn.case.masks.any(axis=(1, 2)).argmax()], 2, axis=0)
    own = OwnReading(mask, True, distances(mask, drawn.case.masks, drawn.samples.masks))
    found = texts(monkeypatch, replace(drawn, reading=own, flag="unsure", note="near the wall"))
    assert {"Me – · –", "Me", "experts, Me"} <= set(found)
    said = " ".join(text for text in found if text not in ("Me – · –", "Me", "experts, Me"))
    assert f"Me (read blind, before the experts were shown): {own.area(drawn.case.spacing_mm)}" in said
    assert f"A {own.distances[0].distance:.2f}" in said
    assert f"the drawn masks (mean) {own.distances[-1].distance:.2f}" in said
    assert "flag: unsure; note: near the wall." in said
    empty = OwnReading(np.zeros_like(mask), False)
    found = texts(monkeypatch, replace(drawn, reading=empty))
    assert "Me: nothing" in found
    assert "Me (not blind: the experts had been shown): nothing there." in found


def test_flag_and_note_are_told_of_a_case_that_nobody_outlined(monkeypatch, drawn):
    assert "flag: unsure; note: near the wall." in texts(
        monkeypatch, replace(drawn, flag="unsure", note="near the wall")
    )


def test_an_own_outline_within_a_field_and_a_very_long_note_fit(drawn):
    field = Field(2, 3, 10, 12)
    image, mask = np.zeros((20, 50), np.float32), np.zeros((20, 50), bool)
    mask[4:7, 5:9] = True
    case = AnnotatedSlice(image, mask[None], "p", "k")
    own = OwnReading(mask, True, distances(mask, np.repeat(mask[None], 30, 0), None))
    read = DrawnCase(
        case, SampleSet(mask[None, 2:12, 3:15], 0), field=field, reading=own, flag="important", note="$x_ " * 500
    )
    np.testing.assert_array_equal(read.own_mask, mask[2:12, 3:15])
    assert Image.open(io.BytesIO(case_figure(read, "png", 50))).height > 100
    with pytest.raises(DataFormatError, match="must have the size of the slice"):
        replace(read, reading=OwnReading(mask[1:], True))


@pytest.mark.parametrize("seed", range(4))
def test_an_outline_runs_once_along_every_side_between_marked_and_unmarked_pixels_in_closed_lines(seed):
    mask = np.random.default_rng(seed).random((7, 9)) < 0.5
    x, y = _edges(mask)
    lines, line = [], []
    for corner in zip(x, y, strict=True):
        if np.isnan(corner[0]):
            lines.append(line)
            line = []
        else:
            line.append(corner)
    assert line == []
    assert all(line[0] == line[-1] for line in lines)
    walked = [frozenset((one, other)) for line in lines for one, other in pairwise(line)]
    padded = np.pad(mask, 1)
    sides = set()
    for row, column in np.ndindex(padded.shape):
        for down, right in ((1, 0), (0, 1)):
            if row + down < 9 and column + right < 11 and padded[row, column] != padded[row + down, column + right]:
                low, left = row - 0.5, column - 0.5
                begin = (left - 1, low) if down else (left, low - 1)
                sides.add(frozenset((begin, (left, low))))
    assert len(walked) == len(set(walked))
    assert set(walked) == sides
