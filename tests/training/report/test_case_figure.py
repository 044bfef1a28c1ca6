"""The figure of a case: lettered, the same each time, in every form, whatever the case is like."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.data.field import Field
from training.data.phantom import phantom_case
from training.errors import ConfigError
from training.export import DrawnCase
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, SampleSet
from training.report.case_figure import case_figure, write_case_figure


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
