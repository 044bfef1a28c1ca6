"""One process: what it writes, and what it refuses."""

import dataclasses
import json
import math
import os
from itertools import islice

import numpy as np
import pytest
import torch

from training.data.opening import open_dataset
from training.errors import ConfigError, DataFormatError
from training.evaluation.case_table import read_case_table
from training.evaluation.cases import Plan, evaluate_cases
from training.evaluation.work import one_thread_each
from training.lock import locked
from training.metrics.glossary import NAMES
from training.metrics.overlap import count_pairs
from training.report.facts import describe_split
from training.sampling_wish import SamplingWish
from training.segmenters.experts import ExpertsOracle

from .whole_runs import CASES, QUICK, copied, names_in, result, run


def test_a_summary_a_table_and_what_it_cost_are_written(phantoms, model, whole):
    assert names_in(whole.parent) == ["scores.cost.json", "scores.csv", "scores.json"]
    summary = json.loads(whole.read_bytes())
    with open_dataset(phantoms) as dataset:
        assert summary["data_sha256"] == dataset.sha256()
    asked = {"format": 2, "segmenter": str(model), "data": str(phantoms), "split": "val", "crop": None, "seed": 0}
    asked |= {"samples": [2, 5], "postprocess": [0.5], "cases": CASES, "patients": 16, "experts": [4]}
    assert {name: summary[name] for name in asked} == asked
    assert summary["sampling"]["device"] == "cpu"
    assert summary["sampling"]["steps"] == 2
    assert summary["made_with"]["torch"] == torch.__version__
    assert list(summary["scores"]) == ["2", "5"]
    for variants in summary["scores"].values():
        assert list(variants) == ["raw", "postprocessed"]
        assert all(list(scores) == list(NAMES) for scores in variants.values())
    table = read_case_table(whole.with_suffix(".csv"))
    assert len(table.index) == CASES * 4
    cost = json.loads(whole.with_suffix(".cost.json").read_bytes())
    assert (cost["masks"], cost["network_calls"], cost["processes"]) == (5 * CASES, 2, 1)
    assert cost["seconds"] == pytest.approx(cost["seconds_drawing"] + cost["seconds_scoring"])
    assert cost["seconds_per_image"] == pytest.approx(cost["seconds_drawing"] / CASES)
    assert cost["peak_memory_mib"] > 50


def test_the_table_has_the_scores_of_each_case_and_the_summary_their_means(phantoms, whole):
    from training.build import load_segmenter

    summary, table = json.loads(whole.read_bytes()), read_case_table(whole.with_suffix(".csv"))
    with open_dataset(phantoms) as dataset, one_thread_each():
        segmenter = load_segmenter(summary["segmenter"], "cpu")
        rows = list(evaluate_cases(segmenter, islice(enumerate(dataset.splits["val"]), CASES), QUICK))
    values = np.array([row.scores for row in rows])
    for column, name in enumerate(NAMES):
        np.testing.assert_array_equal(table.scores[name].reshape(CASES, 4), values[:, :, column])
    means = summary["scores"]["5"]["postprocessed"]
    for column, name in enumerate(NAMES):
        defined = values[:, 3, column][~np.isnan(values[:, 3, column])]
        assert means[name]["undefined"] == CASES - len(defined)
        assert means[name]["mean"] == pytest.approx(defined.mean())


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was(phantoms, model, whole, tmp_path):
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out = tmp_path / str(threads) / "scores.json"
            out.parent.mkdir()
            run(model, phantoms, out)
            assert result(out) == result(whole)
            assert torch.get_num_threads() == threads
            assert json.loads(out.with_suffix(".cost.json").read_bytes())["threads"] == threads
    finally:
        torch.set_num_threads(before)


def test_without_out_nothing_is_left(phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    summary, progress, _ = run("experts", phantoms, None, cases=5)
    assert summary["cases"] == 5
    assert summary["case_table"] is None
    assert progress[-1].cost["masks"] == 25
    assert names_in(tmp_path) == []


def test_the_first_cases_and_random_crops_are_part_of_the_request(phantoms, tmp_path):
    out = tmp_path / "scores.json"
    summary, _, _ = run("experts", phantoms, out, cases=7, random_crop=16, crop_seed=3)
    assert (summary["cases"], summary["crop"]) == (7, {"size": 16, "seed": 3})
    keys = set(read_case_table(tmp_path / "scores.csv").key)
    assert len(keys) == 7
    assert all(key.endswith("]") for key in keys)
    _, _, told = run("experts", phantoms, out, cases=7, random_crop=16, crop_seed=3)
    assert "already" in told[0]
    summary, _, told = run("experts", phantoms, out, cases=8, random_crop=16, crop_seed=3)
    assert (summary["cases"], told) == (8, [])


def test_humans_are_a_row_of_their_own(phantoms, tmp_path):
    summary, progress, _ = run("human", phantoms, tmp_path / "scores.json", plan=Plan((4, 16), (0.3, 0.5), 9))
    assert (summary["segmenter"], summary["samples"], summary["postprocess"], summary["seed"]) == ("human", [1], [], 0)
    assert summary["sampling"] == {"model": "human"}
    means = summary["scores"]["1"]["raw"]
    with open_dataset(phantoms) as dataset:
        pairs = [count_pairs(case.masks, case.masks).dice for case in islice(dataset.splits["val"], CASES)]
    distinct = [(dice.sum() - np.trace(dice)) / 12 for dice in pairs]
    assert means["dice"]["mean"] == pytest.approx(np.mean(distinct))
    assert means["ged_u"] == {"mean": None, "low": None, "high": None, "undefined": CASES}
    assert summary["reliability"] == {"1": {"raw": None}}
    diversity = means["diversity_experts"]["mean"]
    # Beside three others, not four.
    assert summary["floor"]["1"] == pytest.approx({"ged_v": diversity * 4 / 3, "ged_u": diversity / 3})
    assert progress[-1].cost["masks"] == 0


def test_several_relative_areas_are_scored_at_once(phantoms, tmp_path):
    summary, _, _ = run("experts", phantoms, tmp_path / "scores.json", plan=Plan((4,), (0.3, 0.5)), cases=9)
    assert list(summary["scores"]["4"]) == ["raw", "postprocessed 0.3", "postprocessed 0.5"]


def test_a_json_reader_without_nan_can_read_all_of_it(phantoms, tmp_path):
    """One sample: GED (U) is undefined everywhere."""
    run("empty", phantoms, tmp_path / "scores.json", plan=Plan((1,)), cases=5)

    def never(constant):
        raise AssertionError(constant)

    for name in ("scores.json", "scores.cost.json"):
        assert json.loads((tmp_path / name).read_text(), parse_constant=never)


def test_a_second_one_at_the_same_place_is_refused_with_who_is_there(phantoms, tmp_path):
    with (
        locked(tmp_path / "scores.parts", "evaluating"),
        pytest.raises(ConfigError, match=rf"process {os.getpid()} on .* is evaluating in .*scores\.parts"),
    ):
        run("experts", phantoms, tmp_path / "scores.json")
    run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert names_in(tmp_path) == ["scores.cost.json", "scores.csv", "scores.json"]


@pytest.mark.parametrize(
    ("out", "options", "error", "says"),
    [
        ("scores.csv", {}, ConfigError, "must end in .json"),
        ("scores.cost.json", {}, ConfigError, "must not end in .cost.json"),
        ("a" * 240 + ".json", {}, ConfigError, "cannot write .*; give another --out"),
        ("scores.json", {"cases": 0}, ConfigError, "at least 1 case"),
        ("scores.json", {"split": "vall"}, ConfigError, "no split 'vall'"),
        ("scores.json", {"random_crop": 64}, DataFormatError, "choose a crop of at most 32"),
        ("scores.json", {"wish": SamplingWish("dim")}, ConfigError, "unknown sampler"),
    ],
)
def test_impossible_wishes_are_refused_and_leave_nothing(phantoms, tmp_path, out, options, error, says):
    with pytest.raises(error, match=says):
        run("experts", phantoms, tmp_path / out, **options)
    assert names_in(tmp_path) == []


def test_the_card_of_a_model_is_heard_each_time(phantoms, model, tmp_path):
    own = copied(model, tmp_path)
    card = json.loads(own.with_suffix(".json").read_text())
    own.with_suffix(".json").write_text(json.dumps(card | {"summary": "Trained on\n synthetic slices only."}))
    says = f"{own}: Trained on synthetic slices only."
    assert run(own, phantoms, tmp_path / "scores.json", cases=2)[2] == [says]
    assert run(own, phantoms, tmp_path / "scores.json", cases=2)[2][0] == says


def test_what_fails_in_a_case_names_it_and_keeps_the_others(phantoms, tmp_path, monkeypatch):
    out, draw = tmp_path / "scores.json", ExpertsOracle.draw
    with open_dataset(phantoms) as dataset:
        key, eleventh = dataset.splits["val"].keys[10], dataset.splits["val"][10].masks

    def fails(self, image, n, seed):
        drawn = draw(self, image, n, seed)
        is_eleventh = np.array_equal(self.masks, eleventh)
        return dataclasses.replace(drawn, masks=drawn.masks[:, :8]) if is_eleventh else drawn

    with monkeypatch.context() as now:
        now.setattr(ExpertsOracle, "draw", fails)
        with pytest.raises(DataFormatError, match=f"case '{key}': 5 masks of"):
            run("experts", phantoms, out)
    _, _, told = run("experts", phantoms, out)
    assert int(told[0].split()[0]) >= 10


def test_always_empty_on_real_slices_scores_the_anchor(shared_data, tmp_path):
    """GED 0.845 and dice 0.380 on all of LIDC; on the val split what the pairs of its experts alone tell."""
    data = shared_data / "lidc_val.hdf5"
    summary, _, _ = run("empty", data, tmp_path / "scores.json", plan=Plan((1,), ()), cases=None)
    means = summary["scores"]["1"]["raw"]
    with open_dataset(data) as dataset:
        anchor = describe_split(dataset.splits["val"])["always_empty"]
    assert means["ged_v"]["mean"] == pytest.approx(anchor["ged_v"], abs=6e-5)
    assert means["dice"]["mean"] == pytest.approx(anchor["dice"], abs=6e-5)
    assert means["ged_v"]["mean"] == pytest.approx(0.845, abs=0.03)
    assert means["dice"]["mean"] == pytest.approx(0.380, abs=0.03)
    assert math.isfinite(means["ged_v"]["low"])
