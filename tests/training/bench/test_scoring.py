"""The bench of scores, and its own slow reference."""

import json

import numpy as np
import pytest

from training.bench import scoring
from training.bench.scoring import bench_metrics, loop_scores, package_scores
from training.errors import ConfigError


def masks(*rows):
    return np.array([[row] for row in rows], bool)


def test_the_loop_scores_a_toy_case_as_by_hand():
    # Samples: nothing, both pixels.  Experts: nothing, the left pixel.
    samples, experts = masks([0, 0], [1, 1]), masks([0, 0], [1, 0])
    # IoU of sample and expert: 1 and 0, 0 and 1/2; dice 1, 0, 0 and 2/3.
    ged, dice, iou, matched = loop_scores(samples, experts)
    assert iou == (1 + 0 + 0 + 0.5) / 4
    assert dice == pytest.approx((1 + 0 + 0 + 2 / 3) / 4)
    assert ged == pytest.approx(2 * (1 - 1.5 / 4) - 0.5 - 0.5)
    assert matched == (1 + 0.5) / 2


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 4), (3, 2), (6, 4)])
def test_loop_and_package_agree(n, k):
    rng = np.random.default_rng(n * 10 + k)
    samples, experts = (rng.random((count, 9, 7)) > rng.random((count, 1, 1)) for count in (n, k))
    samples[0] = experts[0] = False
    np.testing.assert_allclose(package_scores(samples, experts), loop_scores(samples, experts), rtol=0, atol=1e-12)


def test_every_contender_has_a_row_and_the_scores_are_equal():
    outcome = bench_metrics(samples=4, cases=2, size=32, rounds=2)
    assert [row.name for row in outcome.groups[0].rows] == ["ours", "pair-loop"]
    assert outcome.holds
    assert outcome.gates[0].value <= 1e-12
    json.dumps(outcome.facts(), allow_nan=False)


def test_scores_that_differ_fail_the_gate(monkeypatch):
    monkeypatch.setattr(scoring, "package_scores", lambda a, b: [score + 1e-6 for score in loop_scores(a, b)])
    assert not bench_metrics(samples=2, cases=1, size=32, rounds=1).holds


def test_one_contender_can_be_timed_alone():
    outcome = bench_metrics(samples=2, cases=1, size=32, rounds=1, only=["pair-loop"])
    assert [row.name for row in outcome.groups[0].rows] == ["pair-loop"]
    assert outcome.gates == ()


@pytest.mark.parametrize("wrong", [{"only": ["numpy"]}, {"rounds": 0}, {"samples": 0}, {"cases": 0}, {"size": 30}])
def test_what_is_not_possible_is_refused(wrong):
    with pytest.raises(ConfigError):
        bench_metrics(**({"samples": 2, "cases": 1, "size": 32, "rounds": 1} | wrong))
