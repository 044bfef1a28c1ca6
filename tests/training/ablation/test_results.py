"""Results are read back whatever state their files are in."""

from __future__ import annotations

import json

import pytest

from training.ablation.grid import load_grid
from training.ablation.plan import plan_ablation
from training.ablation.record import RECORD, CellState, Record
from training.ablation.results import read_results
from training.ablation.scale import load_scale
from training.errors import ConfigError

SCORES = {"format": 2, "scores": {"2": {"raw": {}}}}


@pytest.fixture
def record(grid_file, phantom, tmp_path):
    """A record of four cells: done, failed and two that are not done yet."""
    ablation = plan_ablation(load_grid(grid_file()), [phantom], load_scale("full"))
    record = Record(tmp_path / "out", ablation)
    first, second, *_ = ablation.cells
    record.write({first.id: CellState("done"), second.id: CellState("failed", "why")})
    record.scores_path(first).write_text(json.dumps(SCORES))
    record.cells = ablation.cells
    return record


def read(record):
    (grid,) = read_results(record.folder.parent)
    return grid


def test_a_folder_in_which_nothing_was_begun_has_no_results(tmp_path):
    assert read_results(tmp_path) == []
    assert read_results(tmp_path / "none") == []


def test_cells_come_back_as_they_were_written(record, phantom):
    grid = read(record)
    assert (grid.name, grid.title) == ("small", "Predictions and samplers")
    assert [cell.state for cell in grid.cells] == ["done", "failed", "missing", "missing"]
    assert [cell.reason for cell in grid.cells] == ["", "why", "not done yet", "not done yet"]
    assert grid.cells[0].labels == {"prediction": "x", "sampler": "ddim"}
    assert (grid.cells[0].scores, grid.cells[0].cost) == (SCORES, None)
    assert grid.facts["data"]["scored"]["path"] == str(phantom)
    assert "cells" not in grid.facts


def test_a_cost_beside_the_scores_is_read_and_a_damaged_one_is_none(record):
    path = record.scores_path(record.cells[0]).with_suffix(".cost.json")
    for content, expected in (('{"seconds": 1.5}', {"seconds": 1.5}), ("{", None), ("[1]", None)):
        path.write_text(content)
        assert read(record).cells[0].cost == expected


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 2}', b"\xff\xfe", b"[" * 100_000])
def test_scores_that_are_damaged_make_a_missing_cell_with_the_reason(record, content):
    record.scores_path(record.cells[0]).write_bytes(content)
    cell = read(record).cells[0]
    assert (cell.state, cell.scores) == ("missing", None)
    assert record.cells[0].id in cell.reason
    assert record.states()[record.cells[0].id].state == "missing"  # so that it is done again


def test_scores_that_are_gone_make_a_missing_cell(record):
    record.scores_path(record.cells[0]).unlink()
    assert (read(record).cells[0].state, read(record).cells[0].reason.split()[-2:]) == ("missing", ["is", "gone"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "{",
        lambda _: "[]",
        lambda _: "null",
        lambda _: "[" * 100_000,
        lambda found: json.dumps(found | {"format": 7}),
        lambda found: json.dumps(found | {"cells": None}),
        lambda found: json.dumps(found | {"cells": [3]}),
        lambda found: json.dumps(found | {"cells": [{}]}),
        lambda found: json.dumps(found | {"title": 3}),
        lambda found: json.dumps(found | {"scale": "tiny"}),
        lambda found: json.dumps(found | {"cells": [found["cells"][0] | {"scores": "../../secret.json"}]}),
        lambda found: json.dumps(found | {"cells": [found["cells"][0] | {"state": "perfect"}]}),
        lambda found: json.dumps(found | {"cells": [found["cells"][0] | {"labels": {"a": 1}}]}),
        lambda found: json.dumps({key: found[key] for key in found if key != "common"}),
    ],
)
def test_a_damaged_record_is_no_traceback_and_is_written_anew(record, damage):
    found = json.loads(record.path.read_text())
    record.path.write_text(damage(found))
    grid = read(record)
    assert (grid.name, grid.cells) == ("small", [])
    assert str(record.path) in grid.facts["notice"]
    record.require_same()
    record.write({record.cells[0].id: CellState("done")})
    assert [cell.state for cell in read(record).cells] == ["done", "missing", "missing", "missing"]


def test_the_cells_of_a_shipped_grid_are_known_even_if_its_record_is_damaged(tmp_path):
    (tmp_path / "table3").mkdir()
    (tmp_path / "table3" / RECORD).write_text("{")
    (grid,) = read_results(tmp_path)
    assert len(grid.cells) == 24
    assert {cell.state for cell in grid.cells} == {"missing"}
    assert all("cannot be read" in cell.reason for cell in grid.cells)
    assert grid.cells[0].labels == {"crop": "128 × 128 central crop", "prediction": "x", "weighting": "SNR"}


def test_a_state_that_another_process_wrote_stays(record):
    """Each writes what it knows; nobody takes back what another has noted meanwhile."""
    other = Record(record.folder.parent, record._ablation)
    other.write({record.cells[2].id: CellState("failed", "elsewhere")})
    record.write({record.cells[3].id: CellState("failed", "here")})
    assert [cell.reason for cell in read(record).cells] == ["", "why", "elsewhere", "here"]


def test_a_folder_that_cannot_be_written_is_one_line(grid_file, phantom, tmp_path):
    (tmp_path / "file").write_text("")
    ablation = plan_ablation(load_grid(grid_file()), [phantom], load_scale("full"))
    with pytest.raises(ConfigError, match="cannot write in"):
        Record(tmp_path / "file", ablation).write({})
