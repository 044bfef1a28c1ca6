"""The bench of scores, and the slow loop that it has to beat and to agree with."""

import json
import os

import numpy as np
import pytest

from training.bench import scoring
from training.bench.pair_loop import all_scores, pair_scores, relative_area
from training.bench.scoring import CONTENDERS, SCORES, bench_metrics, loop_scores, package_scores
from training.errors import ConfigError
from training.metrics.glossary import NAMES


def masks(*rows):
    return np.array([[row] for row in rows], bool)


def test_the_loop_scores_a_toy_case_as_by_hand():
    # Samples: nothing, both pixels.  Experts: nothing, the left pixel.
    samples, experts = masks([0, 0], [1, 1]), masks([0, 0], [1, 0])
    # IoU of sample and expert: 1 and 0, 0 and 1/2; dice 1, 0, 0 and 2/3.
    found = all_scores(samples, experts)
    assert found["iou"] == (1 + 0 + 0 + 0.5) / 4
    assert found["dice"] == pytest.approx((1 + 0 + 0 + 2 / 3) / 4)
    assert found["ged_v"] == pytest.approx(2 * (1 - 1.5 / 4) - 0.5 - 0.5)
    assert found["hm_iou"] == (1 + 0.5) / 2
    assert found["brier"] == pytest.approx(1 / 4)
    # Both pixels are marked by half of the masks; by half of the experts, and by none.
    assert found["ece"] == pytest.approx((0 + 1 / 2) / 2)
    assert found.items() >= pair_scores(samples, experts).items()


def test_the_loop_has_every_score():
    assert set(all_scores(masks([0, 1], [1, 1]), masks([1, 0]))) == set(NAMES)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 4), (3, 2), (6, 4)])
@pytest.mark.parametrize("what", SCORES)
def test_loop_and_package_agree_raw_and_post_processed(n, k, what):
    names, loop = SCORES[what]
    rng = np.random.default_rng(n * 10 + k)
    samples, experts = (rng.random((count, 9, 7)) > rng.random((count, 1, 1)) for count in (n, k))
    samples[0] = experts[0] = False
    if n > 2:
        samples[1, 2:], samples[2] = False, True  # one small enough beside the other to be emptied
        assert not relative_area(samples, 0.5)[1].any()
        assert samples[1].any()
    ours, theirs = package_scores(samples, experts, names), loop_scores(samples, experts, names, loop)
    assert np.shape(ours) == np.shape(theirs) == (2, len(names))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_every_contender_has_a_row_and_the_scores_are_equal():
    outcome = bench_metrics(samples=4, cases=2, size=32, rounds=2)
    assert len(outcome.groups) == len(outcome.gates) == 4
    assert all([row.name for row in group.rows] == list(CONTENDERS) for group in outcome.groups)
    assert outcome.holds
    assert all(gate.value <= 1e-12 for gate in outcome.gates)
    json.dumps(outcome.facts(), allow_nan=False)


def test_scores_that_differ_or_are_undefined_fail_the_gate(monkeypatch):
    right = package_scores
    monkeypatch.setattr(scoring, "package_scores", lambda *sets: np.array(right(*sets)) + 1e-6)
    assert not any(gate.holds for gate in bench_metrics(samples=2, cases=1, size=32, rounds=1).gates)
    monkeypatch.setattr(scoring, "package_scores", lambda *sets: np.array(right(*sets)) * np.nan)
    assert not any(gate.holds for gate in bench_metrics(samples=2, cases=1, size=32, rounds=1).gates)


def test_one_contender_can_be_timed_alone():
    outcome = bench_metrics(samples=2, cases=1, size=32, rounds=1, only=["pair-loop"])
    assert all([row.name for row in group.rows] == ["pair-loop"] for group in outcome.groups)
    assert outcome.gates == ()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not let a program choose its cores")
def test_the_process_has_all_its_cores_again_afterwards():
    before = os.sched_getaffinity(0)
    seen = []
    outcome = bench_metrics(
        samples=2, cases=1, size=32, rounds=1, tick=lambda _: seen.append(len(os.sched_getaffinity(0)))
    )
    assert set(seen) == {1}
    assert os.sched_getaffinity(0) == before
    assert outcome.notes == ("all on one core",)


@pytest.mark.parametrize("wrong", [{"only": ["numpy"]}, {"rounds": 0}, {"samples": 0}, {"cases": 0}, {"size": 30}])
def test_what_is_not_possible_is_refused(wrong):
    with pytest.raises(ConfigError):
        bench_metrics(**({"samples": 2, "cases": 1, "size": 32, "rounds": 1} | wrong))
