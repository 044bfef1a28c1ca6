"""The table of readings: a row for each case, nothing that a spreadsheet runs, and nothing that was not seen yet."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import ComparedWith, Entry
from napari_ambiseg.reading_table import readings_text, write_readings
from training.errors import ConfigError
from training.export.own_reading import Distance

SPOT = ("/data/lidc.hdf5", "val", "slice 7")
SEEN, REVEALED = "2026-01-31T12:00:00+00:00", "2026-01-31T13:00:30+01:00"
READ = Entry(
    flag="?",
    note="near the wall",
    seen=SEEN,
    mask=np.eye(10, dtype=bool),
    revealed=REVEALED,
    blind=True,
    after_model=False,
    seconds=41.26,
    spacing_mm=(0.5, 0.7),
    distances=(Distance("A", 0.25, 0.8, 12.0), Distance("B", 1.0, 0.0, 0.0), Distance("samples", 0.5, 0.6, 3.5)),
    compared=ComparedWith("demo", 16, 7, "--postprocess 0.5"),
    ged=0.375,
    n=4,
    model="other",
    seed=3,
    patient="P-1",
)


def rows(*entries, aside=False):
    return list(csv.DictReader(io.StringIO(readings_text([(SPOT, entry, aside) for entry in entries]), newline="")))


def test_a_reading_is_a_row_with_all_that_is_known_of_it():
    (row,) = rows(READ)
    assert row == {
        "file": "/data/lidc.hdf5", "split": "val", "case": "slice 7", "patient": "P-1", "flag": "unsure",
        "note": "near the wall", "reading": "outline", "state": "revealed", "read_blind": "yes",
        "experts_seen_before": "no", "model_seen_before": "no", "revealed_at_utc": "2026-01-31 12:00:30",
        "seconds_open": "41.3", "area_px": "10", "area_mm2": "3.5", "expert_A_one_minus_iou": "0.25",
        "expert_A_dice": "0.8", "expert_A_area_px": "12.0", "expert_B_one_minus_iou": "1.0", "expert_B_dice": "0.0",
        "expert_B_area_px": "0.0", "samples_mean_one_minus_iou": "0.5", "samples_mean_dice": "0.6",
        "samples_mean_area_px": "3.5", "samples_model": "demo", "samples_n": "16", "samples_seed": "7",
        "samples_postprocessing": "'--postprocess 0.5", "ged_v": "0.375", "ged_n": "4", "ged_model": "other",
        "ged_seed": "3", "experts_first_seen_utc": "2026-01-31 12:00:00", "model_first_seen_utc": "",
        "of_other_case_now": "no",
    }  # fmt: skip


def test_what_is_not_known_is_empty():
    (row,) = rows(replace(READ, spacing_mm=None, seconds=0.0, after_model=None, compared=None, ged=None))
    empty = ("area_mm2", "seconds_open", "model_seen_before", "samples_model", "samples_seed", "ged_v", "ged_model")
    assert {row[name] for name in empty} == {""}
    (row,) = rows(Entry(seen=SEEN, flag="!"))
    assert (row["flag"], row["reading"], row["read_blind"], row["area_px"]) == ("important", "", "", "")


def test_nothing_there_is_a_reading_of_no_pixels():
    (row,) = rows(replace(READ, mask=np.zeros((4, 4), bool), nothing=True))
    assert (row["reading"], row["area_px"], row["area_mm2"]) == ("nothing there", "0", "0.0")


def test_of_a_reading_that_waits_nothing_is_told_of_experts_or_model():
    (row,) = rows(replace(READ, seen="", revealed=""))
    assert (row["state"], row["reading"], row["revealed_at_utc"]) == ("waiting", "outline", "")
    assert not any(text for name, text in row.items() if name.startswith(("expert_", "ged_", "samples_")))


def test_columns_are_there_for_the_case_with_the_most_experts_in_their_order():
    names = [Distance(name, 0.0, 1.0, 1.0) for name in ("AA", "C", "B", "A")]
    both = rows(READ, replace(READ, distances=tuple(names)))
    columns = [name for name in both[0] if name.endswith("_dice")]
    assert columns == [f"expert_{name}_dice" for name in ("A", "B", "C", "AA")] + ["samples_mean_dice"]
    assert (both[0]["expert_AA_dice"], both[1]["expert_AA_dice"]) == ("", "1.0")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@now", "\t=1", "＝1+1", "'quoted"])
def test_no_text_is_taken_for_a_formula(text):
    (row,) = rows(replace(READ, note=text, patient=text, distances=()))
    assert (row["note"], row["patient"]) == (f"'{text}", f"'{text}")


def test_quotes_commas_and_line_breaks_stay_in_their_field():
    note = 'she said "round",\nthen; nothing\r\n'
    (row,) = rows(replace(READ, note=note))
    assert row["note"] == note


def test_an_entry_that_is_set_aside_says_so():
    assert rows(READ, aside=True)[0]["of_other_case_now"] == "yes"


def test_the_file_says_that_it_is_utf_8_and_holds_any_name(tmp_path):
    book = Casebook()
    write_readings(tmp_path / "empty.csv", book.all())
    spot = ("/data/\udcff.hdf5", "val", "größer")
    write_readings(tmp_path / "r.csv", [(spot, READ, False)])
    content = (tmp_path / "r.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbffile,")
    assert "größer" in content.decode("utf-8-sig")
    assert len((tmp_path / "empty.csv").read_text().splitlines()) == 1
    with pytest.raises(ConfigError, match="choose another place"):
        write_readings(tmp_path / "no" / "r.csv", [])
