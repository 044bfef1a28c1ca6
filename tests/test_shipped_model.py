"""The promise on the shipped model's card, on phantoms that it has never seen."""

import numpy as np
import pytest

from training import load_segmenter
from training.data.phantom import PhantomCase, phantom_case
from training.evaluation.cases import Plan, evaluate_cases
from training.metrics import ged_terms
from training.metrics.glossary import NAMES
from training.model_card import find_weights

UNSEEN_SEED = 20_261  # the model was trained on seed 1


def unseen(n: int) -> list[PhantomCase]:
    # Every fifth index, so that few cases still come from many patients.
    return [phantom_case(5 * index, UNSEEN_SEED) for index in range(n)]


def check(n_cases: int, n: int, ratio: float, points: float) -> None:
    cases = [case.slice for case in unseen(n_cases)]
    means = {name: mean_scores(name, cases, n) for name in ("demo", "empty")}
    assert means["demo"]["ged_u"] < ratio * means["empty"]["ged_u"]
    assert abs(means["demo"]["empty_model"] - means["demo"]["empty_experts"]) < points


def mean_scores(model, cases, n):
    scored = evaluate_cases(load_segmenter(model, "cpu"), enumerate(cases), Plan((n,), ()))
    return dict(zip(NAMES, np.mean([case.scores[0] for case in scored], axis=0), strict=True))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_demo_model_is_far_better_than_always_empty():
    """A glance at the promise: few cases, so with room for chance."""
    check(n_cases=32, n=8, ratio=0.45, points=0.12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_demo_model_keeps_its_promise_on_300_unseen_phantoms():
    """U-statistic GED below a third of always-empty's, and the share of empty masks within 5 points."""
    check(n_cases=300, n=16, ratio=1 / 3, points=0.05)


@pytest.mark.long
def test_the_demo_model_comes_closer_to_the_true_experts_than_a_shuffled_self():
    """Against many fresh experts of each phantom: a model that ignored its image would do as well shuffled."""
    cases = unseen(12)
    model = load_segmenter("demo", "cpu")
    drawn = [model.draw(case.slice.image, 8, seed=0).masks for case in cases]
    experts = [case.draw_experts(64, seed=1) for case in cases]
    own = np.mean([ged_terms(masks, truth, "U").value for masks, truth in zip(drawn, experts, strict=True)])
    other = np.mean([ged_terms(drawn[i - 1], truth, "U").value for i, truth in enumerate(experts)])
    assert own < 0.5 * other


def test_the_weights_are_small():
    assert find_weights("demo").stat().st_size < 3_000_000
