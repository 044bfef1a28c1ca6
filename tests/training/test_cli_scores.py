"""What a person reads of an evaluation and of a comparison, and the command that compares."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from training.cli._scores import print_comparison, print_scores
from training.evaluation.case_table import CaseTable
from training.evaluation.cases import CaseScores, Plan
from training.evaluation.comparison import compare_evaluations
from training.evaluation.summary import Summary
from training.metrics.glossary import NAMES, SCORES

DRAWN = {
    "sampler": "ddim", "steps": 10, "grid": "trailing", "network_calls": 10, "precision": "fp32", "device": "cpu",
}  # fmt: skip
COST = {
    "network_calls": 10, "masks": 160, "seconds": 1234.5, "seconds_per_image": 0.1234, "peak_memory_mib": 812.3,
    "device": "cuda", "device_name": "A GPU", "processes": 2, "threads": 1,
}  # fmt: skip
WIDEST = 120  # of a table


def a_case(index, plan, better=0.0):
    """Scores between 0 and 1 that fall short of the experts' by what is to be expected, and are ``better`` by that."""
    rng = np.random.default_rng(index)
    scores = rng.random((len(plan.variants), len(NAMES))) + better
    for v, variant in enumerate(plan.variants):
        scores[v, NAMES.index("empty_model")] = rng.integers(variant.n + 1) / variant.n
        scores[v, NAMES.index("area_crps")] *= 100
        scores[v, NAMES.index("ece")] *= 0.01
    votes = tuple(np.ones((variant.n + 1, 5), np.int64) for variant in plan.variants)
    return CaseScores(index, f"case {index}", f"patient {index // 2}", 4, index % 5, index, scores, votes)


def evaluated(plan=None, n=10, change=None, better=0.0, name="model"):
    """A summary as the command writes it, and its cases."""
    plan = plan or Plan((4, 16), (0.5,), 0)
    cases = [a_case(i, plan, better) for i in range(n)]
    for case in cases:
        if change:
            change(case)
    summary = Summary(plan, [case.patient for case in cases], 4)
    for case in cases:
        summary.add(case)
    heading = {
        "format": 2, "segmenter": name, "data": "lidc.hdf5", "data_sha256": "d" * 64, "split": "val", "crop": None,
        "sampling": DRAWN, "seed": plan.seed, "samples": list(plan.samples), "postprocess": list(plan.postprocess),
    }  # fmt: skip
    return heading | summary.as_json(), plan, cases


def printed(capsys, *arguments, **how):
    print_scores(*arguments, **how)
    return capsys.readouterr().out


def rows(text, label):
    return [line for line in text.splitlines() if line.strip().startswith(label + "  ")]


def test_raw_and_postprocessed_stand_side_by_side_with_the_number_of_masks(capsys):
    summary, _, _ = evaluated()
    said = printed(capsys, summary)
    headings = [line.split("  ") for line in said.splitlines() if line.startswith("n = ")]
    assert [[cell.strip() for cell in heading if cell] for heading in headings] == [
        ["n = 4", "raw", "postprocessed (r = 0.5)", "better"],
        ["n = 16", "raw", "postprocessed (r = 0.5)", "better"],
    ]
    for n, row in zip(("4", "16"), rows(said, "dice"), strict=True):
        for variant in ("raw", "postprocessed"):
            score = summary["scores"][n][variant]["dice"]
            assert f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]" in row
    assert max(len(line) for line in said.splitlines() if line.startswith(" ")) <= WIDEST


def test_every_score_is_there_by_its_label_and_ged_first(capsys):
    said = printed(capsys, evaluated(Plan((4,), (), 0))[0])
    table = said[said.index("n = 4") :].splitlines()[1:]
    labels = [line[2:].split("  ")[0] for line in table if line.startswith("  ") and line[2] != " "]
    assert sorted(labels) == sorted(score.label for score in SCORES.values())
    assert labels[:10] == [
        "GED (U)", "GED (V)", "dice", "Hungarian IoU", "diversity, model", "diversity, experts", "empty, model",
        "empty, experts", "presence error", "presence Brier",
    ]  # fmt: skip
    assert rows(said, "GED (U)")[0].endswith("  lower")
    assert rows(said, "diversity, model")[0].endswith("  as the experts")
    assert rows(said, "diversity, experts")[0].endswith("]")


def test_each_ged_has_its_floor_and_what_is_above_it(capsys):
    summary, _, _ = evaluated(Plan((4,), (), 0))
    said = printed(capsys, summary)
    floors, above = rows(said, "its floor"), rows(said, "above it")
    for name, floor, over in zip(("ged_u", "ged_v"), floors, above, strict=True):
        assert f"{summary['floor']['4'][name]:.3f}" in floor
        found = summary["over_floor"]["4"]["raw"][name]
        assert f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" in over
    (line,) = [line for line in said.splitlines() if line.startswith("floor: ")]
    assert "if the 4 experts were independent" in line
    assert line.endswith("because somebody marked them, it scores somewhat less")


def test_heading_way_of_drawing_cost_and_legend_are_a_line_each(capsys):
    said = printed(capsys, evaluated()[0], COST).splitlines()
    assert said[0] == "model: 10 cases of 5 patients; mean [95 % interval over patients]"
    assert said[1] == "ddim, 10 steps (trailing), 10 network calls, fp32, cpu"
    assert said[-1] == "docs/metrics.md says what each number means"
    assert said[-2] == (
        "cost: 10 network calls a mask, 0.123 s an image (1,234 s in all), 812 MiB at most, 2 processes on A GPU"
    )


def test_a_reference_has_no_way_of_drawing_and_an_unknown_cost_no_line(capsys):
    cost = COST | {"network_calls": 0, "peak_memory_mib": None, "device_name": None, "processes": 1}
    said = printed(capsys, evaluated()[0] | {"sampling": {"model": "experts"}}, cost).splitlines()
    assert said[1].startswith("note: 5 patients only")
    assert said[2] == ""
    assert said[-2] == "cost: 0 network calls a mask, 0.123 s an image (1,234 s in all), 1 process on cuda"
    assert "cost" not in printed(capsys, evaluated()[0])


def test_one_patient_has_no_interval(capsys):
    said = printed(capsys, evaluated(n=1)[0])
    assert said.startswith("model: 1 case of 1 patient; mean (no interval: one patient)\n")
    assert "[" not in said


@pytest.mark.parametrize(("n", "told"), [(2, False), (4, True), (38, True), (40, False)])
def test_few_patients_are_told(tmp_path, capsys, n, told):
    said = printed(capsys, evaluated(n=n)[0])
    assert ("patients only: the intervals are too narrow" in said) == told
    assert said.find("note: ") < said.index("n = 4")
    path = saved(tmp_path, "a", n=n)
    said = compared(capsys, path, path)
    assert ("patients only: the intervals are too narrow" in said) == told
    assert said.startswith("note: ") == (n < 40)


def test_undefined_scores_are_counted_and_said(capsys):
    def some_undefined(case):
        case.scores[:, NAMES.index("diversity_model")] = np.nan
        if case.index < 3:
            case.scores[:, NAMES.index("ncc")] = np.nan

    said = printed(capsys, evaluated(change=some_undefined)[0])
    assert rows(said, "S_NCC")[0].count("] (3 undefined)") == 2
    assert rows(said, "diversity, model")[0].split() == [
        "diversity,", "model", "undefined", "undefined", "as", "the", "experts",
    ]  # fmt: skip


def test_a_single_mask_has_no_floor_for_a_score_that_is_not_there(capsys):
    def single(case):
        case.scores[:, NAMES.index("ged_u")] = np.nan

    assert len(rows(printed(capsys, evaluated(Plan((1,), (), 0), change=single)[0]), "its floor")) == 1


def test_the_human_row_has_neither_floor_nor_presence(capsys):
    summary, _, _ = evaluated(Plan((1,), (), 0), name="human")
    said = printed(capsys, summary | {"reliability": {}})
    assert summary["floor"]["1"]["ged_v"] is not None  # which is the score itself, and no measurement
    assert "GED (V)" in said
    assert "above it" not in said
    assert "floor" not in said
    assert "presence," not in said


def test_no_floor_stands_beside_a_score_that_is_undefined_in_one_variant(capsys):
    summary, _, _ = evaluated(Plan((4,), (0.5,), 0))
    summary["scores"]["4"]["raw"]["ged_u"] = {"mean": None, "low": None, "high": None, "undefined": 10}
    said = printed(capsys, summary)
    assert len(rows(said, "its floor")[0].split()) == 3  # "its floor", and that of the other variant
    assert "undefined" not in rows(said, "above it")[0]


def test_many_rs_are_told_in_tables_of_three(capsys):
    said = printed(capsys, evaluated(Plan((4,), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 0))[0])
    headings = [line.split("  ") for line in said.splitlines() if line.startswith("n = 4")]
    assert [[cell.strip() for cell in heading if cell][1:-1] for heading in headings] == [
        ["raw", "postprocessed 0.1", "postprocessed 0.2"],
        ["postprocessed 0.3", "postprocessed 0.4", "postprocessed 0.5"],
        ["postprocessed 0.6"],
    ]
    assert len(rows(said, "dice")) == 3


def test_presence_is_told_for_the_most_masks_in_one_line(capsys):
    summary, _, cases = evaluated(n=40)
    masks = [round(16 * (1 - case.scores[2, NAMES.index("empty_model")])) for case in cases]
    parts = []
    for low, high in ((0, 0), (1, 8), (9, 15), (16, 16)):
        found = [case.n_found / 4 for case, i in zip(cases, masks, strict=True) if low <= i <= high]
        if found:
            cases_of = f"{len(found)} case{'s' * (len(found) != 1)}"
            masks_of = low if low == high else f"{low}-{high}"
            show, see = ("", "") if parts else (" show a lesion", " of the experts see one")
            parts.append(f"{masks_of}{show} ({cases_of}): {100 * np.mean(found):.0f} %{see}")
    assert len(parts) > 2
    (line,) = [line for line in printed(capsys, summary).splitlines() if line.startswith("presence, ")]
    assert line == f"presence, 16 raw masks: {'; '.join(parts)}"


def test_numbers_have_the_digits_that_they_need_and_no_minus_zero(capsys):
    def tiny(case):
        case.scores[:, NAMES.index("ged_u")] = -0.00001 * (1 + case.index)

    said = printed(capsys, evaluated(Plan((4,), (), 0), change=tiny)[0])
    assert "-0.000 " not in said
    assert "-0.0001" in rows(said, "GED (U)")[0]
    assert len(rows(said, "ECE")[0].split()[1]) == len("0.0050")
    assert len(rows(said, "area CRPS")[0].split()[2]) == len("50.0")


# The comparison.


def saved(folder, name, **how):
    summary, plan, cases = evaluated(name=name, **how)
    with CaseTable(folder / f"{name}.csv", plan) as table:
        for case in cases:
            table.add(case)
    sha256 = hashlib.sha256((folder / f"{name}.csv").read_bytes()).hexdigest()
    path = folder / f"{name}.json"
    path.write_text(json.dumps(summary | {"case_table": {"file": f"{name}.csv", "sha256": sha256}}))
    return path


def compared(capsys, a, b):
    print_comparison(compare_evaluations(a, b))
    return capsys.readouterr().out


def test_a_comparison_says_in_words_which_is_better_and_only_where_it_is_sure(tmp_path, capsys):
    def worse_or_not(case):
        case.scores[:, NAMES.index("dice")] += 0.2
        case.scores[:, NAMES.index("ged_v")] -= 0.2
        case.scores[:, NAMES.index("ged_samples")] += 0.2
        case.scores[:, NAMES.index("iou")] += (-1) ** case.index

    said = compared(capsys, saved(tmp_path, "a"), saved(tmp_path, "b", change=worse_or_not))
    assert said.startswith("note: 5 patients only")
    assert f"\na: a ({tmp_path}/a.json)\nb: b ({tmp_path}/b.json)\nthe same 10 cases of 5 patients" in said
    assert "segmenter" not in said
    assert "\nn = 4, raw" in said
    assert "b - a [95 % interval over patients]" in said
    assert rows(said, "dice")[0].split()[3:] == ["0.200", "[0.200,", "0.200]", "b", "is", "better", "(few", "patients)"]
    assert rows(said, "GED (V)")[0].split()[4:] == [
        "-0.200",
        "[-0.200,",
        "-0.200]",
        "b",
        "is",
        "better",
        "(few",
        "patients)",
    ]
    assert rows(said, "E d(s, s')")[0].endswith("b is higher (few patients)")
    assert rows(said, "IoU")[0].endswith("]")
    assert rows(said, "soft dice")[0].endswith("0.000 [0.000, 0.000]")
    assert rows(said, "diversity, experts") == []
    assert max(len(line) for line in said.splitlines() if line.startswith(" ")) <= WIDEST


def test_below_five_patients_nothing_is_called_better(tmp_path, capsys):
    said = compared(capsys, saved(tmp_path, "a", n=8), saved(tmp_path, "b", n=8, better=0.1))
    assert rows(said, "dice")[0].endswith("too few patients to say")
    assert "is better" not in said
    assert "nearer the experts" not in said
    said = compared(capsys, saved(tmp_path, "c", n=40), saved(tmp_path, "d", n=40, better=0.1))
    assert rows(said, "dice")[0].endswith("b is better")
    assert "few patients" not in said


def test_a_comparison_says_where_nothing_is_defined_in_both_and_shortens_hashes(tmp_path, capsys):
    def some_undefined(case):
        case.scores[:, NAMES.index("ged_u")] = np.nan
        if case.index < 3:
            case.scores[:, NAMES.index("ncc")] = np.nan

    a, b = saved(tmp_path, "a"), saved(tmp_path, "b", change=some_undefined)
    for path, commit in ((a, "a" * 40), (b, "b" * 40 + "+")):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"git_commit": commit}))
    said = compared(capsys, a, b)
    assert rows(said, "GED (U)")[0].split("  ")[-1].strip() == "no case where both are defined"
    assert "undefined" not in rows(said, "GED (U)")[0]
    assert "(3 undefined)" in rows(said, "S_NCC")[0]
    assert "means are over the cases where both are defined" in said
    assert f"  git_commit: a {'a' * 12}, b {'b' * 12}+\n" in said
    assert "both are defined" not in compared(capsys, a, a)


def test_a_comparison_tells_seeds_that_differ_and_a_single_patient(tmp_path, capsys):
    a, b = saved(tmp_path, "a", n=2), saved(tmp_path, "b", n=2, plan=Plan((4, 16), (0.5,), 8))
    said = compared(capsys, a, b)
    assert "  seed: a 0, b 8\n" in said
    assert "note: the seeds differ (0 and 8)" in said
    assert "b - a (no interval: one patient)" in said
    assert "better\n" not in said


def ambiseg(*arguments):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "training", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_the_command_prints_writes_and_gives_json(tmp_path):
    a, b, out = saved(tmp_path, "a"), saved(tmp_path, "b", better=0.1), tmp_path / "out.json"
    done = ambiseg("compare", a, b, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "a is better" in done.stdout
    found = json.loads(ambiseg("compare", a, b, "--json").stdout)
    assert found == json.loads(out.read_text())
    assert found["scores"]["16"]["raw"]["d_max"]["difference"]["mean"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{a}", "{none}"], "cannot read the evaluation"),
        (["{a}", "{table}"], "cannot read the evaluation"),
        (["{a}", "{other}"], "cannot compare: cases is 10 in "),
        (["{a}", "{a}", "--out", "{a}"], "it is also what is read"),
        (["{a}", "{a}", "--out", "{none}/x.json"], "does not exist; make it first"),
    ],
)
def test_a_users_mistake_is_one_line(tmp_path, arguments, message):
    names = {
        "a": saved(tmp_path, "a"), "other": saved(tmp_path, "other", n=8), "table": tmp_path / "a.csv",
        "none": tmp_path / "none",
    }  # fmt: skip
    done = ambiseg("compare", *(argument.format(**names) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
