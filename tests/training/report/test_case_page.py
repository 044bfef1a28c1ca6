"""The page of a case needs nothing else, says what it must, and runs nothing that a file says."""

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from training.data.phantom import phantom_case
from training.errors import ConfigError
from training.export import DrawnCase
from training.export.own_reading import OwnReading, distances
from training.metrics import generalized_energy_distance, iou
from training.postprocess import Cleaning
from training.records import SampleSet
from training.report import case_page as case_page_module
from training.report.case_figure import case_figure
from training.report.case_page import Extras, case_page, write_case_page

PROVENANCE = {"model": "demo", "model_sha256": "ab" * 32, "steps": 10}


@pytest.fixture(scope="module")
def drawn():
    case = phantom_case(0, 20, 64).slice
    masks = np.stack([np.roll(case.masks[i % 4], i, axis=1) for i in range(6)])
    cleaning = Cleaning(relative_area=0.5)
    return DrawnCase(case, SampleSet(masks, 3, PROVENANCE), None, cleaning.apply(masks), cleaning)


@pytest.fixture(autouse=True)
def plain_figure(monkeypatch):
    """The figure has tests of its own."""
    monkeypatch.setattr(case_page_module, "case_figure", lambda *_: b"<svg/>")


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.replace("\N{NO-BREAK SPACE}", " ")))


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(html):
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.found


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(drawn):
    html = case_page(drawn, Extras(pictures=(("The window", b"\x89PNG"),)))
    found = tags(html)
    sources = [attributes["src"] for tag, attributes in found if tag == "img"]
    assert [source.partition(";")[0] for source in sources] == ["data:image/svg+xml", "data:image/png"]
    assert all(attributes.get("alt") for tag, attributes in found if tag == "img")
    assert not {"script", "link", "iframe"} & {tag for tag, _ in found}
    assert "http" not in re.sub(r"data:[^\"]+", "", html)


def test_who_saw_it_and_the_distances_are_said(drawn):
    text, case = text_of(case_page(drawn)), drawn.case
    assert f"Seen by {case.n_found} of 4 experts." in text
    assert "6 masks were drawn by demo" in text
    distance = 1 - float(iou(case.masks[0], case.masks[2]))
    assert f"■ A and ■ C {distance:.3f}" in text
    empty = int((~drawn.samples.masks.any(axis=(1, 2))).sum())
    after = int((~drawn.cleaned.any(axis=(1, 2))).sum())
    assert f"Of the 6 drawn masks {empty} are empty, {after} after post-processing" in text


def test_numbers_have_n_estimator_and_range_raw_and_cleaned(drawn):
    text = text_of(case_page(drawn)).replace("−", "-")
    raw, cleaned = (
        generalized_energy_distance(masks, drawn.case.masks, "V") for masks in (drawn.samples.masks, drawn.cleaned)
    )
    assert "As drawn, n = 6" in text
    assert "Post-processed, n = 6" in text
    number = r"-?\d\.\d{3}"
    row = re.search(rf"GED \(V\) ({number}) \[({number}), ({number})\] ({number}) \[", text)
    assert row is not None
    assert float(row[1]) == pytest.approx(raw, abs=6e-4)
    assert float(row[4]) == pytest.approx(cleaned, abs=6e-4)
    assert float(row[2]) <= raw <= float(row[3])


def test_how_it_was_made_and_the_command_are_said(drawn):
    text = text_of(case_page(drawn, Extras(command="ambiseg sample demo 'a b.hdf5' out.hdf5")))
    assert "ab" * 32 in text
    assert "seed 3" in text
    assert "post-processing --postprocess 0.5" in text
    assert "ambiseg sample demo &#x27;a b.hdf5&#x27; out.hdf5" in text
    assert "Research use only. Not for diagnosis." in text


def test_notes_flags_and_warnings_are_said_as_they_were_written(drawn):
    text = text_of(
        case_page(replace(drawn, flag="unsure", note="one\n\ntwo `x`"), Extras(warnings=("Synthetic model.",)))
    )
    assert "Flag: unsure" in text
    assert "one two `x`" in text
    assert "Synthetic model." in text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>"])
def test_what_files_and_users_say_is_never_run(drawn, evil):
    case = replace(drawn.case, key=evil, patient=evil)
    samples = SampleSet(drawn.samples.masks, 0, {"model": evil, evil: evil})
    html = case_page(DrawnCase(case, samples, flag=evil, note=evil), Extras(evil, ((evil, b"x"),), (evil,)))
    found = tags(html)
    assert not any(tag == "script" or "onerror" in attributes for tag, attributes in found)
    assert evil not in html


def test_a_slice_that_nobody_annotated_has_a_page_without_scores(drawn):
    nobody = DrawnCase(replace(drawn.case, masks=drawn.case.masks[:0]), drawn.samples)
    text = text_of(case_page(nobody))
    assert "Nobody annotated this slice." in text
    assert "GED" not in text


def test_a_lone_mask_of_a_lone_expert_has_undefined_scores_and_no_pair(drawn):
    lone = DrawnCase(replace(drawn.case, masks=drawn.case.masks[:1]), drawn.samples.first(1))
    text = text_of(case_page(lone))
    assert "undefined" in text
    assert "Distance of two experts" not in text
    assert "1 mask was drawn" in text


def test_the_figure_is_in_the_page(tmp_path, drawn, monkeypatch):
    monkeypatch.undo()
    alone = DrawnCase(drawn.case, drawn.samples.first(1))
    write_case_page(tmp_path / "a.html", alone)
    figure = case_figure(alone, "svg", 144)
    assert base64.b64encode(figure).decode() in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_told(tmp_path, drawn):
    with pytest.raises(ConfigError, match="choose another place"):
        write_case_page(tmp_path / "no" / "a.html", drawn)


def own_reading(drawn, **about):
    mask = np.roll(drawn.case.masks[drawn.case.masks.any(axis=(1, 2)).argmax()], 2, axis=0)
    told = distances(mask, drawn.case.masks, drawn.samples.masks)
    return OwnReading(mask, True, told, **about)


def test_the_reader_s_own_outline_is_compared_and_said_to_be_blind_or_not(drawn):
    assert "Own reading" not in text_of(case_page(drawn))
    own = own_reading(drawn)
    text = text_of(case_page(replace(drawn, reading=own)))
    assert f"Me: {own.area(drawn.case.spacing_mm)}; read blind, before the experts were shown." in text
    for one, name in zip(
        own.distances, ("Expert A", "Expert B", "Expert C", "Expert D", "Drawn masks, mean"), strict=True
    ):
        assert f"{name} {one.distance:.3f} {one.dice:.3f}" in text
    text = text_of(case_page(replace(drawn, reading=replace(own, blind=False))))
    assert "not blind: the experts had been shown" in text


def test_a_case_of_four_experts_prints_on_one_sheet(tmp_path, drawn, monkeypatch):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser to print with")
    monkeypatch.undo()
    extras = Extras("ambiseg sample demo /data/a.hdf5 out.hdf5 --split val --index 3")
    read = replace(drawn, reading=own_reading(drawn), flag="unsure", note="near the wall")
    write_case_page(tmp_path / "a.html", read, extras)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={tmp_path}/u")
    subprocess.run(  # noqa: S603
        [browser, *options, f"--print-to-pdf={tmp_path}/a.pdf", (tmp_path / "a.html").as_uri()],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert re.findall(rb"/Type /Pages\s+/Count (\d+)", (tmp_path / "a.pdf").read_bytes()) == [b"1"]
