"""Paired comparison: differences that are known, pairs that are none, and files that were changed."""

from __future__ import annotations

import hashlib
import json
import math
import os

import numpy as np
import pytest

from training.errors import DataFormatError
from training.evaluation.case_table import CaseTable, read_case_table
from training.evaluation.cases import CaseScores, Plan
from training.evaluation.comparison import compare_evaluations, read_evaluation
from training.evaluation.statistics import bootstrap_mean
from training.metrics.glossary import NAMES

N_CASES = 60
PATIENTS = [f"patient {i // 4}" for i in range(N_CASES)]
PLAN = Plan(samples=(4, 16), postprocess=(0.5,), seed=0)
GED, DICE, OWN, EXPERTS = (NAMES.index(x) for x in ("ged_v", "dice", "diversity_model", "diversity_experts"))


def random_scores(seed=0, plan=PLAN):
    """(cases, V, S)"""
    return np.random.default_rng(seed).random((N_CASES, len(plan.variants), len(NAMES)))


def evaluation(folder, name, scores, plan=PLAN, patients=PATIENTS, keys=None, **heading):
    """The files of an evaluation with these scores."""
    with CaseTable(folder / f"{name}.csv", plan) as table:
        for i, (patient, of_case) in enumerate(zip(patients, scores, strict=True)):
            key = keys[i] if keys else f"case {i}"
            table.add(CaseScores(i, key, patient, 4, 2, plan.seed + i, of_case, ()))
    sha256 = hashlib.sha256((folder / f"{name}.csv").read_bytes()).hexdigest()
    summary = {
        "format": 2, "segmenter": name, "data": "lidc.hdf5", "data_sha256": "d" * 64, "split": "val", "crop": None,
        "sampling": {"sampler": "ddim", "steps": 10, "device": "cpu"}, "seed": plan.seed,
        "samples": list(plan.samples), "postprocess": list(plan.postprocess), "made_with": {"numpy": "2"},
        "git_commit": "abc", "case_table": {"file": f"{name}.csv", "sha256": sha256}, "cases": len(scores),
        "patients": len(set(patients)), "scores": {},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(summary | heading))
    return path


def test_better_by_a_tenth_everywhere_is_a_tenth_without_doubt(tmp_path):
    scores = random_scores()
    compared = compare_evaluations(evaluation(tmp_path, "a", scores), evaluation(tmp_path, "b", scores + 0.1))
    assert (compared["cases"], compared["patients"]) == (60, 15)
    for n in ("4", "16"):
        for variant in ("raw", "postprocessed"):
            assert list(compared["scores"][n][variant]) == list(NAMES)
            for score in compared["scores"][n][variant].values():
                found = score["difference"]
                assert [found["mean"], found["low"], found["high"]] == pytest.approx([0.1] * 3, abs=1e-12)
                assert score["b"] - score["a"] == pytest.approx(0.1)
    assert compared["scores"]["4"]["raw"]["ged_v"]["verdict"] == "a"
    assert compared["scores"]["4"]["raw"]["dice"]["verdict"] == "b"
    assert compared["scores"]["4"]["raw"]["ged_samples"]["verdict"] == "b higher"


def test_an_evaluation_beside_itself_differs_in_nothing(tmp_path):
    path = evaluation(tmp_path, "a", random_scores())
    compared = compare_evaluations(path, path)
    assert compared["differs"] == {}
    (warning,) = compared["warnings"]
    assert warning == "15 patients only: the intervals are too narrow; from 20 on they are about right"
    for score in compared["scores"]["16"]["raw"].values():
        assert score["difference"] == {"mean": 0, "low": 0, "high": 0, "undefined": 0}
        assert score["verdict"] is None


def test_differences_are_those_of_the_slow_reference(tmp_path):
    a, b = random_scores(1), random_scores(2)
    compared = compare_evaluations(evaluation(tmp_path, "a", a), evaluation(tmp_path, "b", b))
    for v, variant in enumerate(PLAN.variants):
        for s, name in enumerate(NAMES):
            found = compared["scores"][str(variant.n)][PLAN.key(variant)][name]["difference"]
            slow = bootstrap_mean((b - a)[:, v, s], PATIENTS, seed=0)
            assert [found["mean"], found["low"], found["high"]] == pytest.approx(
                [slow.mean, slow.low, slow.high], rel=1e-12, abs=1e-12
            )


def test_pairs_see_what_two_intervals_side_by_side_do_not(tmp_path):
    """Cases differ by 1, the two by 0.02 with an error of 0.01."""
    rng, scores = np.random.default_rng(4), 10 * random_scores(3)
    better = scores - 0.02 + rng.normal(scale=0.01, size=scores.shape)
    compared = compare_evaluations(evaluation(tmp_path, "a", scores), evaluation(tmp_path, "b", better))
    found = compared["scores"]["4"]["raw"]["ged_v"]
    assert found["difference"]["high"] < 0
    assert found["verdict"] == "b"
    alone = [bootstrap_mean(x[:, 0, GED], PATIENTS, seed=0) for x in (scores, better)]
    assert alone[1].high > alone[0].low


def test_a_case_that_is_undefined_in_either_is_left_out_of_both(tmp_path):
    a, b = random_scores(1), random_scores(2)
    a[:3, 0, DICE] = b[2:5, 0, DICE] = math.nan
    compared = compare_evaluations(evaluation(tmp_path, "a", a), evaluation(tmp_path, "b", b))
    found = compared["scores"]["4"]["raw"]["dice"]
    assert found["difference"]["undefined"] == 5
    assert found["a"] == pytest.approx(a[5:, 0, DICE].mean())
    assert found["b"] - found["a"] == pytest.approx(found["difference"]["mean"])
    a[:, 0, DICE] = math.nan
    nothing = compare_evaluations(evaluation(tmp_path, "a", a), evaluation(tmp_path, "b", b))
    json.dumps(nothing, allow_nan=False)
    assert nothing["scores"]["4"]["raw"]["dice"] == {
        "a": None, "b": None, "difference": {"mean": None, "low": None, "high": None, "undefined": 60}, "verdict": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own_a", "own_b", "verdict"),
    [
        (0.5, 0.4, "b"),  # experts 0.3
        (0.2, 0.31, "b"),
        (0.29, 0.5, "a"),
        (0.2, 0.4, "b higher"),  # equally far from the experts
    ],
)
def test_diversity_is_better_where_it_is_nearer_the_experts(tmp_path, own_a, own_b, verdict):
    noise = np.random.default_rng(0).normal(scale=0.02, size=(2, N_CASES, 4))
    a, b = random_scores(0), random_scores(0)
    a[..., OWN], b[..., OWN] = own_a + noise[0], own_b + noise[1]
    a[..., EXPERTS] = b[..., EXPERTS] = 0.3
    compared = compare_evaluations(evaluation(tmp_path, "a", a), evaluation(tmp_path, "b", b))
    assert compared["scores"]["4"]["raw"]["diversity_model"]["verdict"] == verdict


def test_only_variants_that_both_have_are_compared(tmp_path):
    few, many = Plan((4, 16), (0.5,), 0), Plan((1, 4, 8), (0.3, 0.5), 0)
    a = random_scores(0, few)
    b = random_scores(1, many)
    b[:, [v.n == 4 and v.r == 0.5 for v in many.variants]] = a[:, [v.n == 4 and v.r == 0.5 for v in few.variants]] + 1
    compared = compare_evaluations(evaluation(tmp_path, "a", a, few), evaluation(tmp_path, "b", b, many))
    assert {n: list(variants) for n, variants in compared["scores"].items()} == {"4": ["raw", "postprocessed"]}
    assert compared["scores"]["4"]["postprocessed"]["dice"]["difference"]["mean"] == pytest.approx(1)
    assert compared["scores"]["4"]["raw"]["dice"]["difference"]["mean"] != pytest.approx(1)
    assert compared["differs"]["samples"] == [[4, 16], [1, 4, 8]]


def test_several_rs_in_common_are_told_apart(tmp_path):
    plan = Plan((4,), (0.25, 0.5), 0)
    path = evaluation(tmp_path, "a", random_scores(0, plan), plan)
    assert list(compare_evaluations(path, path)["scores"]["4"]) == ["raw", "postprocessed 0.25", "postprocessed 0.5"]


def test_nothing_in_common_is_refused(tmp_path):
    few, many = Plan((4,), (), 0), Plan((16,), (), 0)
    a = evaluation(tmp_path, "a", random_scores(0, few), few)
    b = evaluation(tmp_path, "b", random_scores(0, many), many)
    with pytest.raises(DataFormatError, match=r"has n = 4 raw, .*b\.json has n = 16 raw; .* --samples"):
        compare_evaluations(a, b)


def test_an_expert_beside_the_others_is_no_equal_opponent_and_that_is_said(tmp_path):
    plan = Plan((1,), (), 0)
    a = evaluation(tmp_path, "human", random_scores(0, plan), plan)
    b = evaluation(tmp_path, "b", random_scores(1, plan), plan)
    _, warning = compare_evaluations(a, b)["warnings"]
    assert "'human' is one expert at a time" in warning
    assert len(compare_evaluations(a, a)["warnings"]) == 1  # few patients
    with pytest.raises(DataFormatError, match=r"evaluate the other with --samples 1 --postprocess none$"):
        compare_evaluations(a, evaluation(tmp_path, "c", random_scores()))


@pytest.mark.parametrize(("patients", "verdict"), [(2, None), (4, None), (5, "a"), (20, "a")])
def test_too_few_patients_give_no_verdict_however_sure_it_looks(tmp_path, patients, verdict):
    names = [f"p{i % patients}" for i in range(N_CASES)]
    a, b = (evaluation(tmp_path, "ab"[i], random_scores() + i, patients=names) for i in range(2))
    compared = compare_evaluations(a, b)
    found = compared["scores"]["4"]["raw"]["ged_v"]
    assert found["difference"]["low"] == pytest.approx(1)
    assert found["verdict"] == verdict
    assert len(compared["warnings"]) == (patients < 20)


def test_a_folder_is_refused_in_a_plain_line(tmp_path):
    with pytest.raises(DataFormatError, match=r"is a folder; give a \.json file in it"):
        compare_evaluations(tmp_path, tmp_path)


def test_one_patient_has_a_difference_without_an_interval_or_a_verdict(tmp_path):
    scores, patients = random_scores(), ["p"] * N_CASES
    compared = compare_evaluations(
        evaluation(tmp_path, "a", scores, patients=patients), evaluation(tmp_path, "b", scores + 1, patients=patients)
    )
    found = compared["scores"]["4"]["raw"]["dice"]
    assert found["difference"]["low"] is None
    assert found["verdict"] is None


def test_what_differs_is_said_setting_by_setting(tmp_path):
    a = evaluation(tmp_path, "a", random_scores())
    b = evaluation(
        tmp_path, "b", random_scores(), Plan(PLAN.samples, PLAN.postprocess, 7), data="copy.hdf5",
        sampling={"sampler": "ddim", "steps": 25, "device": "cpu", "eta": 0.5}, git_commit=None,
    )  # fmt: skip
    compared = compare_evaluations(a, b)
    assert compared["differs"] == {
        "segmenter": ["a", "b"], "data": ["lidc.hdf5", "copy.hdf5"], "sampling, steps": [10, 25],
        "sampling, eta": [None, 0.5], "seed": [0, 7], "git_commit": ["abc", None],
    }  # fmt: skip
    assert len(compared["warnings"]) == 2
    assert "seeds differ (0 and 7)" in compared["warnings"][1]
    assert compared["a"]["sampling"]["steps"] == 10


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        (
            {"data_sha256": "e" * 64, "data": "other.hdf5"},
            r".*a.json is of lidc.hdf5 \(sha256 d{12}\), but .*b.json of other.hdf5 \(sha256 e{12}\); evaluate both on",
        ),
        ({"split": "test"}, "split is 'val' in .*a.json, but 'test' in .*b.json"),
        ({"crop": {"size": 64, "seed": 0}}, "crop is None in .* the same --random-crop and --crop-seed"),
        ({"cases": 30}, "cases is 60 in .*, but 30 in .* the same --cases"),
    ],
)
def test_other_data_are_refused_with_what_differs(tmp_path, heading, message):
    a, b = evaluation(tmp_path, "a", random_scores()), evaluation(tmp_path, "b", random_scores(), **heading)
    with pytest.raises(DataFormatError, match=f"cannot compare: {message}"):
        compare_evaluations(a, b)


def test_other_cases_are_refused_with_the_first_one(tmp_path):
    keys = [f"case {i}" for i in range(N_CASES)]
    keys[7] = "another"
    a, b = evaluation(tmp_path, "a", random_scores()), evaluation(tmp_path, "b", random_scores(), keys=keys)
    with pytest.raises(DataFormatError, match=r"case 7 has key 'case 7' in .*a\.json, but 'another' in .*b\.json"):
        compare_evaluations(a, b)


@pytest.mark.parametrize("order", [1, -1])
def test_a_shorter_table_is_refused(tmp_path, order):
    whole = evaluation(tmp_path, "a", random_scores())
    short = evaluation(tmp_path, "b", random_scores()[:-2], patients=PATIENTS[:-2], cases=N_CASES)
    with pytest.raises(DataFormatError, match=r"b\.csv has 58 cases, .*b\.json says 60"):
        compare_evaluations(*[whole, short][::order])


def test_a_table_that_was_changed_is_refused(tmp_path):
    a, b = evaluation(tmp_path, "a", random_scores()), evaluation(tmp_path, "b", random_scores())
    table = tmp_path / "b.csv"
    table.write_text(table.read_text().replace("patient 3", "patient 4"))
    with pytest.raises(DataFormatError, match=r"b\.csv: has sha256 .*it was changed"):
        compare_evaluations(a, b)
    table.unlink()
    with pytest.raises(DataFormatError, match=r"b\.json: cannot read its table of cases: .*side by side"):
        compare_evaluations(a, b)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the evaluation"),
        ("[]", "is no evaluation"),
        ('{"scores": {}}', "has format None, this version reads 2"),
        ('{"scores": {}, "format": 1}', "has format 1, this version reads 2; evaluate again"),
        ('{"scores": {}, "format": 2, "cases": 3}', "has no 'data_sha256', 'split', 'crop'"),
        ("\x00\xff", "cannot read the evaluation"),
        ("[" * 100_000, "cannot read the evaluation"),
    ],
)
def test_what_is_no_evaluation_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataFormatError, match=message) as refused:
        read_evaluation(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("case_table", "message"),
    [
        (None, "does not say where its table of cases is"),
        ({"file": 5, "sha256": ""}, "does not say where its table of cases is"),
        ({"file": "", "sha256": ""}, "cannot read its table of cases"),
        ({"file": "a\0.csv", "sha256": ""}, "cannot read its table of cases"),
        ({"file": "a.csv", "sha256": None}, "it was changed"),
    ],
)
def test_an_evaluation_that_does_not_say_where_its_cases_are_is_refused(tmp_path, case_table, message):
    path = evaluation(tmp_path, "a", random_scores(), case_table=case_table)
    with pytest.raises(DataFormatError, match=message):
        compare_evaluations(path, path)


def test_a_damaged_table_is_read_or_refused_and_never_anything_else(tmp_path):
    evaluation(tmp_path, "a", random_scores()[:6], patients=PATIENTS[:6])
    whole, rng = (tmp_path / "a.csv").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        at, to = np.sort(rng.integers(len(whole), size=2))
        middle = [bytes(rng.integers(256, size=3, dtype=np.uint8)), b"", whole[at:to] * 2, b',"'][rng.integers(4)]
        (tmp_path / "b.csv").write_bytes(whole[:at] + middle + whole[min(to, at + 200) :])
        try:
            read_case_table(tmp_path / "b.csv")
        except DataFormatError:
            refused += 1
    assert refused > 80


@pytest.mark.parametrize("file", ["/dev/zero", "../b.csv", "pipe.csv", "sub/b.csv"])
def test_a_table_elsewhere_or_that_is_no_plain_file_is_not_followed(tmp_path, file):
    a = evaluation(tmp_path, "a", random_scores())
    b = evaluation(tmp_path, "b", random_scores(), case_table={"file": file, "sha256": ""})
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataFormatError, match="which is no plain file beside it"):
        compare_evaluations(a, b)


def test_what_is_no_plain_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataFormatError, match="is no plain file"):
        read_evaluation(tmp_path / "pipe.json")
