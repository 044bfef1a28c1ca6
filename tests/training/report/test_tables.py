"""Tables as text: exact cells, what is missing, what must not be overlooked, hostile labels."""

import csv
import io
import json

import pytest

from training.ablation.grid import load_grid
from training.errors import ConfigError
from training.report.material import Measured, measured, read_material
from training.report.score_tables import evaluations_table, found_table, grid_table
from training.report.table import Entry, Row, Table, as_csv, as_markdown, shown
from training.report.tables import paper_tables

LOSSES = {"crop": "128 × 128 central crop", "prediction": "v", "weighting": "SNR+1"}


def table(pretend, name):
    return next(table for table in paper_tables(read_material(pretend.folder)) if table.name == name)


def row(text, *beginning):
    return next(line for line in text.splitlines() if line.startswith("| " + " | ".join(beginning) + " |"))


def test_a_mean_is_shown_with_its_interval_and_with_the_cases_that_it_leaves_out():
    assert shown(Measured(0.3416, 0.33, 0.3554)) == "0.342 [0.330, 0.355]"
    assert shown(Measured(0.3416)) == "0.342"
    assert shown(Measured(0.5, 0.4, 0.6, 3)) == "0.500 [0.400, 0.600] (3 undefined)"
    assert shown(Measured(None, undefined=80)) == "undefined (80 undefined)"


def test_a_cell_of_table_3_stands_beside_the_printed_value(pretend):
    pretend.grid("table3", [(LOSSES, "done", "", pretend.scores(0.351, 0.46))])
    text = as_markdown(table(pretend, "table3"))
    assert row(text, "GED (V), n = 4", "128 × 128 central crop", "v") == (
        "| GED (V), n = 4 | 128 × 128 central crop | v | not run / 0.410 | not run / 0.335 | "
        "0.351 [0.331, 0.381] / 0.334 | not run / 0.337 |"
    )
    assert "0.460 [0.440, 0.490] / 0.482" in row(text, "dice, n = 4", "128 × 128 central crop", "v")
    # 0.351 - 0.125 by the pretended rule; the paper prints no U
    assert "0.226 [0.206, 0.256] / –" in row(text, "GED (U), n = 4", "128 × 128 central crop", "v")
    assert text.count("not run / ") == 3 * 24 - 3


def test_table_1_has_every_printed_number_and_ours_raw_and_post_processed(pretend):
    scores = pretend.scores(0.33, 0.47, samples=(4, 16), areas=(0.5,), split="test")
    pretend.grid("table1", [({"model": "Ours"}, "done", "", scores)], paper_split="test", split="test")
    found = table(pretend, "table1")
    assert row(as_markdown(found), "Ours") == (
        "| Ours | 0.330 [0.310, 0.360] / 0.330 | 0.310 [0.290, 0.340] / 0.304 | 0.470 [0.450, 0.500] / 0.488 | "
        "0.480 [0.460, 0.510] / 0.507 | 0.236 [0.216, 0.266] / 0.233 | 0.470 [0.450, 0.500] / 0.486 | "
        "0.205 [0.185, 0.235] / – | 6,891,905 |"
    )
    assert found.warnings == ()


def test_a_number_never_stands_without_its_estimator_and_n(pretend):
    for found in paper_tables(read_material(pretend.folder)):
        named = found.columns if found.name in ("table1", "table2") else {row.heads[0] for row in found.rows}
        assert all("n = " in name for name in named if not name.startswith("parameters"))
        assert all("(V)" in name or "(U)" in name for name in named if "GED" in name)


def test_what_is_missing_is_said_to_be_missing_and_why(pretend):
    pretend.shipped("table4")
    pretend.shipped("table3")
    text = as_markdown(table(pretend, "table4"))
    assert row(text, "dice, n = 4", "Gen. Prob. UNet") == (
        "| dice, n = 4 | Gen. Prob. UNet | needs the baselines / 0.505 | needs the baselines / 0.495 | "
        "needs the baselines / 0.462 | needs the baselines / 0.494 | not run (1) / 0.499 |"
    )
    reason = load_grid("table4").missing[1].reason
    assert f"(1) {reason}" in text
    failed = as_markdown(table(pretend, "table3"))
    assert "failed (1) / 1.135" in failed
    assert "(1) the loss was not finite 3 times in a row, at step 1,204 of 50,000" in failed


def test_under_a_table_stands_what_its_numbers_depend_on(pretend):
    pretend.grid("table3", [(LOSSES, "done", "", pretend.scores(crop={"size": 64, "seed": 3}))])
    facts = dict(table(pretend, "table3").facts)
    assert facts == {
        "runs": "1 of 1 done",
        "data": "phantom.hdf5 (sha256 0123456789ab)",
        "split": "val, random 64 × 64 crops, crop seed 3",
        "cases": "200 cases of 50 patients",
        "post-processing": "none",
        "commit": "fedcba987654+",
        "seeds": "training 0; noise 0; crop 0",
        "scale": "full",
    }


def test_a_shortened_grid_and_another_split_are_told_loudly(pretend):
    notice = "scale tiny: the scores do not compare with the paper's; changed: fit.steps 50000 -> 40"
    scale = {"name": "tiny", "title": "whether everything runs", "changed": {}, "left_out": []}
    scores = pretend.scores(samples=(4, 16), areas=(0.5,))
    pretend.grid("table1", [({"model": "Ours"}, "done", "", scores)], notice=notice, scale=scale, paper_split="test")
    found = table(pretend, "table1")
    assert found.warnings == (
        "Scale tiny: the scores do not compare with the paper's; changed: fit.steps 50000 -> 40",
        "Ours is of the split val; the printed values are of the paper's test split.",
    )
    assert "**Scale tiny: the scores do not compare with the paper's** Changed: fit.steps 50000 -> 40" in (
        as_markdown(found)
    )
    assert dict(found.facts)["scale"] == "tiny (whether everything runs)"


def test_the_papers_split_is_preferred_and_the_other_one_kept(pretend):
    for split, ged in (("val", 0.31), ("test", 0.37)):
        scores = pretend.scores(ged, samples=(4, 16), areas=(0.5,), split=split)
        folder = "table1" if split == "val" else "table1-test"
        pretend.grid(
            "table1", [({"model": "Ours"}, "done", "", scores)], folder=folder, paper_split="test", split=split
        )
    material = read_material(pretend.folder)
    assert "| Ours | 0.370 " in as_markdown(paper_tables(material)[0])
    assert [grid.facts["split"] for grid in material.others] == ["val"]


def test_the_csv_has_one_number_per_line_exactly(pretend):
    pretend.grid("table3", [(LOSSES, "done", "", pretend.scores(0.351, 0.46)),
                            ({**LOSSES, "weighting": "SNR"}, "failed", "it is, \"so\"", None)])  # fmt: skip
    lines = list(csv.reader(io.StringIO(as_csv(table(pretend, "table3")))))
    assert lines[0] == ["Score", "Crop", "Predicts", "column", "mean", "low", "high", "undefined", "printed", "missing"]
    assert len(lines) == 1 + 18 * 4
    own = ["GED (V), n = 4", "128 × 128 central crop", "v", "SNR+1"]
    numbers = next(line[4:] for line in lines if line[:4] == own)
    assert list(map(float, numbers[:3])) == pytest.approx([0.351, 0.331, 0.381])
    assert numbers[3:] == ["0", "0.334", ""]
    failed = next(line[4:] for line in lines if line[:4] == [*own[:3], "SNR"])
    assert failed == ["", "", "", "", "0.410", 'failed: it is, "so"']


def test_labels_cannot_break_a_table():
    hostile = '<script>alert("1")</script> | a & b\nnew line'
    found = Table(
        "t", hostile, "", ("Name",), ("x",), (Row((hostile,), (Entry(None, "failed", hostile),)),), ((hostile, "y"),)
    )
    text = as_markdown(found)
    assert "<script" not in text
    assert row(text, '&lt;script>alert("1")&lt;/script> \\| a &amp; b new line').endswith("| failed (1) |")
    assert list(csv.reader(io.StringIO(as_csv(found))))[1] == [hostile, "x", "", "", "", "", "", f"failed: {hostile}"]


def test_evaluations_show_ged_beside_its_floor_and_what_they_cost(pretend):
    cost = {"network_calls": 10, "seconds_per_image": 1.1342, "peak_memory_mib": 812.4}
    pretend.evaluation("mine", pretend.scores(0.29, 0.55, samples=(4, 16), areas=(0.5,), segmenter="runs/mine"), cost)
    pretend.evaluation("empty", pretend.scores(0.845, 0.38, segmenter="empty"))
    text = as_markdown(evaluations_table(read_material(pretend.folder).evaluations))
    # floors of the pretended D = 0.5, K = 4: 1/8 + 1/8 and 1/8
    assert row(text, "mine: runs/mine", "4", "raw").startswith(
        "| mine: runs/mine | 4 | raw | 0.290 [0.270, 0.320] / 0.250 | 0.165 [0.145, 0.195] / 0.125 | 0.550 ["
    )
    assert row(text, "mine: runs/mine", "16", "pp, r = 0.5").endswith("| 10 | 1.134 | 812 |")
    assert row(text, "empty", "4", "raw").endswith("| – | – | – |")


def test_evaluations_of_different_cases_are_told_apart(pretend):
    pretend.evaluation("a", pretend.scores())
    pretend.evaluation("b", pretend.scores())
    assert evaluations_table(read_material(pretend.folder).evaluations).warnings == ()
    pretend.evaluation("c", pretend.scores(cases=10, patients=1))
    found = evaluations_table(read_material(pretend.folder).evaluations)
    line, few = found.warnings
    assert "not all of the same cases" in line
    assert "10 cases of 1 patient" in line
    assert few == "c: a single patient: it says nothing of others."


def test_evaluations_stand_under_the_cases_that_they_are_of(pretend):
    pretend.evaluation("a", pretend.scores())
    pretend.evaluation("b", pretend.scores(cases=6, patients=2, crop={"size": 64, "seed": 3}))
    pretend.evaluation("c", pretend.scores())
    pretend.evaluation("d", pretend.scores(data_sha256="f" * 64))
    found = evaluations_table(read_material(pretend.folder).evaluations)
    rest = [""] * (len(found.heads + found.columns) - 1)
    lines = [line for line in as_markdown(found).splitlines() if line.startswith("| ")][2:]
    first = [line.split(" | ")[0] for line in lines]
    assert first == [
        "| **phantom.hdf5 (0123456789ab) – val – whole slices – 200 cases of 50 patients**", "| a: pretended",
        "| c: pretended",
        "| **phantom.hdf5 (0123456789ab) – val – random 64 × 64 crops, crop seed 3 – 6 cases of 2 patients**",
        "| b: pretended",
        "| **phantom.hdf5 (ffffffffffff) – val – whole slices – 200 cases of 50 patients**", "| d: pretended",
    ]  # fmt: skip
    assert lines[0].count(" |") == len(rest) + 1
    table_of = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert {(line["What draws"], line["split"], line["crop"], line["cases"]) for line in table_of} == {
        ("a: pretended", "val", "whole slices", "200 cases of 50 patients"),
        ("b: pretended", "val", "random 64 × 64 crops, crop seed 3", "6 cases of 2 patients"),
        ("c: pretended", "val", "whole slices", "200 cases of 50 patients"),
        ("d: pretended", "val", "whole slices", "200 cases of 50 patients"),
    }  # fmt: skip


def test_baselines_are_known_to_be_missing_before_anything_was_run(pretend):
    for name in ("table1", "table2", "table4"):
        text = as_markdown(table(pretend, name))
        assert "needs the baselines / " in text
        assert "not run / " in text
    assert "needs the baselines" not in as_markdown(table(pretend, "table3"))


def test_scores_by_findings(pretend):
    pretend.evaluation("a", pretend.scores(samples=(4, 16)))
    found = found_table(read_material(pretend.folder).evaluations[0])
    assert "n = 16" in found.columns[1]
    assert row(as_markdown(found), "3") == "| 3 | 60 | 0.350 | 0.200 | 0.500 | 0.250 |"
    assert row(as_markdown(found), "0") == "| 0 | 0 | no cases | no cases | no cases | no cases |"


def test_every_cell_of_a_grid_of_ones_own_has_its_row(pretend):
    pretend.grid("mine", [({"rate": "slow"}, "done", "", pretend.scores(samples=(4,), areas=(0.0, 0.5))),
                          ({"rate": "fast"}, "missing", "not done yet", None)], title="Two rates")  # fmt: skip
    (grid,) = read_material(pretend.folder).others
    found = grid_table(grid)
    assert [line.heads for line in found.rows] == [
        ("slow", "4", "raw"), ("slow", "4", "pp, r = 0"), ("slow", "4", "pp, r = 0.5"), ("fast", "", ""),
    ]  # fmt: skip
    assert row(as_markdown(found), "fast", "", "").startswith("| fast |  |  | not run |")


def test_variants_are_found_by_r_whether_there_is_one_or_several(pretend):
    one, several = pretend.scores(areas=(0.5,)), pretend.scores(areas=(0.0, 0.5))
    assert measured(one, 4, "ged_v", 0.5).mean == measured(several, 4, "ged_v", 0.5).mean == pytest.approx(0.33)
    assert measured(one, 4, "ged_v", 0.3) is measured(one, 16, "ged_v") is measured(one, 4, "nonsense") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda scores: scores.pop("cases"),
        lambda scores: scores["scores"]["4"]["raw"]["dice"].update(mean="high"),
        lambda scores: scores.update(scores={}),
        lambda scores: scores.update(postprocess=None),
        lambda scores: scores["reliability"]["4"]["raw"]["pixels"].pop(),
    ],
)
def test_a_damaged_evaluation_is_told_and_stops_nothing(pretend, damage):
    scores = pretend.scores()
    damage(scores)
    pretend.evaluation("broken", scores)
    pretend.evaluation("good")
    (pretend.folder / "torn.json").write_text('{"format": 2, ')
    pretend.grid("table3", [(LOSSES, "done", "", scores)])
    material = read_material(pretend.folder)
    assert [found.name for found in material.evaluations] == ["good"]
    assert [line.split(":")[0] for line in material.unreadable] == ["broken.json", "torn.json"]
    (cell,) = material.grids["table3"].cells
    assert (cell.state, cell.scores) == ("missing", None)
    assert "evaluate again" in cell.reason or "not numbers" in cell.reason


def test_json_of_other_kinds_is_left_alone(pretend):
    (pretend.folder / "notes.json").write_text(json.dumps({"format": 7}))
    (pretend.folder / "list.json").write_text("[1, 2]")
    pretend.evaluation("a", cost={"network_calls": 1})
    material = read_material(pretend.folder)
    assert [found.name for found in material.evaluations] == ["a"]
    assert material.unreadable == ()


def test_a_path_that_is_no_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot report on .*file: it is a file; give the folder"):
        read_material(tmp_path / "file")
    with pytest.raises(ConfigError, match="there is no such folder"):
        read_material(tmp_path / "nowhere")
