"""Timing in turns."""

import time

import pytest
import torch

from training.bench.rounds import MAX_ROUNDS, Contender, chosen, interleave, require_rounds, time_once
from training.errors import ConfigError


def test_contenders_run_in_turns():
    ran, told = [], []
    contenders = [Contender(name, lambda name=name: ran.append(name)) for name in "ABC"]
    seconds = interleave(contenders, 3, tick=told.append)
    assert ran == told == list("ABCABCABC")
    assert [len(times) for times in seconds.values()] == [3, 3, 3]
    assert list(seconds) == ["A", "B", "C"]


def test_a_call_takes_at_least_as_long_as_it_sleeps():
    assert time_once(lambda: time.sleep(0.02), torch.device("cpu")) >= 0.02


def test_what_a_call_returns_is_let_go_of_before_the_next_one():
    alive = []

    class Result:
        def __init__(self):
            alive.append(self.__class__)
            assert len(alive) == 1

        def __del__(self):
            alive.clear()

    interleave([Contender("A", Result)], 3)
    assert not alive


@pytest.mark.parametrize("rounds", [0, -1, MAX_ROUNDS + 1])
def test_impossible_rounds_are_refused(rounds):
    with pytest.raises(ConfigError, match=f"got {rounds}"):
        require_rounds(rounds)
    with pytest.raises(ConfigError, match=f"got {rounds}"):
        interleave([], rounds)


def test_no_name_chooses_everybody():
    assert chosen([], ["a", "b"], {"c": "not here"}) == ["a", "b"]


def test_names_are_chosen_in_the_order_in_which_they_are_known():
    assert chosen(["b", "a", "b"], ["a", "b", "c"], {}) == ["a", "b"]


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"unknown contender 'x'; choose from: a, b, c"):
        chosen(["x"], ["a", "b"], {"c": "not here"})


def test_an_absent_contender_is_refused_with_its_reason():
    with pytest.raises(ConfigError, match="c: not here"):
        chosen(["c"], ["a", "b"], {"c": "not here"})


def test_an_error_of_a_contender_comes_through():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interleave([Contender("A", fail)], 1)
