"""Targets, and what is found of them."""

import math

import pytest

from training.bench.outcome import Outcome
from training.bench.table import lines
from training.bench.targets import TARGETS, Finding

from .test_outcome import MACHINE


@pytest.mark.parametrize(
    ("key", "value", "met"),
    [
        ("sampling-16", 12.0, True),
        ("sampling-16", 12.1, False),
        ("sampling-16", math.nan, False),
        ("sampling-256", 20.0, True),
        ("sampling-256", 19.9, False),
        ("sampling-256", math.nan, False),
        ("graph", 0.0, True),
        ("graph", 1.0, False),
    ],
)
def test_a_limit_may_be_reached(key, value, met):
    assert TARGETS[key].is_met(value) is met
    assert Finding(key, value).verdict == ("met" if met else "not met")
    assert Finding(key, value, judged=False).verdict == "not judged"


@pytest.mark.parametrize("key", TARGETS)
def test_where_to_go_next_is_beyond_the_limit(key):
    target = TARGETS[key]
    assert target.then is None or (target.is_met(target.then) and target.then != target.limit)


def test_a_finding_stands_in_the_text_and_the_facts():
    outcome = Outcome("Title", {}, MACHINE, (), findings=(Finding("sampling-16", 9.123, True, 2.5),))
    expected = "16 masks in 10 steps at 128 x 128: 9.12 ms (at most 12 ms, then 5; the counted limit is 2.5) -- met"
    assert expected in list(lines(outcome))
    (found,) = outcome.facts()["findings"]
    assert found == {"target": "sampling-16", "value": 9.123, "judged": True, "counted_limit": 2.5, "verdict": "met"}


def test_a_slow_machine_is_no_failure_and_a_wrong_mask_is():
    slow, wrong = Finding("sampling-16", 1e6), Finding("same-fp32", 11.0)
    assert Outcome("", {}, MACHINE, (), findings=(slow,)).holds
    assert not Outcome("", {}, MACHINE, (), findings=(slow, wrong)).holds
    assert Outcome("", {}, MACHINE, (), findings=(Finding("same-fp32", 11.0, judged=False),)).holds
