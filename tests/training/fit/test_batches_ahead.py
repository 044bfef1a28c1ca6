"""Batches that are made ahead: those of each step, in order, from one thread that ends with them."""

import threading

import pytest
import torch

from training.errors import DataFormatError
from training.fit import augment as augment_module
from training.fit import batches as batches_module
from training.fit.batches import Batches, _made_ahead

from .small_batches import FIELDS, batches_of, digest, every_kind, settings, source


def test_batches_made_ahead_are_those_of_each_step():
    sources, drawn = every_kind()
    batches = batches_of(sources, 8, 7, **drawn)
    found = [digest(batch) for batch in batches.ahead(range(3, 9))]
    assert found == [digest(batches.at(step)) for step in range(3, 9)]
    assert list(batches.ahead(range(4, 4))) == []


@pytest.mark.parametrize("pause_every", [0, 1, 4, 100])
def test_batches_in_turn_are_those_of_each_step_wherever_they_pause(pause_every):
    batches = batches_of([source(4), source(2, first=4)], image_size=8, batch_size=3, seed=0)
    found = [(step, digest(batch)) for step, batch in batches.in_turn(range(3, 14), lambda: True, pause_every)]
    assert found == [(step, digest(batches.at(step))) for step in range(3, 14)]
    assert list(batches.in_turn(range(4, 4), lambda: True, pause_every)) == []


def test_nothing_is_made_ahead_while_a_graph_may_be_captured(monkeypatch):
    """Neither in the first steps, before each of which it is asked, nor while the caller is at a pause."""
    batches = batches_of([source(4)], image_size=8, batch_size=2, seed=0)
    open_ranges = []

    def ahead(steps):
        open_ranges.append(steps)
        try:
            yield from map(batches.at, steps)
        finally:
            open_ranges.remove(steps)

    monkeypatch.setattr(batches, "ahead", ahead)
    settled, under_way = [], []
    in_turn = batches.in_turn(range(2, 14), lambda: len(settled) >= 3, pause_every=4)
    for step, _ in in_turn:
        settled.append(step)
        under_way.append((step, list(open_ranges)))
    assert under_way == [
        *((step, []) for step in (2, 3, 4)),
        *((step, [range(5, 8)]) for step in (5, 6)),
        (7, []),
        *((step, [range(8, 12)]) for step in (8, 9, 10)),
        (11, []),
        (12, [range(12, 14)]),
        (13, []),
    ]


def test_what_is_made_ahead_ends_with_the_turns(monkeypatch):
    batches = batches_of([source(4)], image_size=8, batch_size=2, seed=0)
    ended = []

    def ahead(steps):
        try:
            yield from map(batches.at, steps)
        finally:
            ended.append(steps)

    monkeypatch.setattr(batches, "ahead", ahead)
    in_turn = batches.in_turn(range(10), lambda: True)
    next(in_turn)
    assert ended == []
    in_turn.close()
    assert ended == [range(10)]


def test_batches_of_several_steps_made_together_are_those_of_each_step():
    sources, drawn = every_kind()
    batches = batches_of(sources, 8, 7, rank=1, processes=2, **drawn)
    together = batches._made(range(3, 9))
    assert [digest(batch) for batch in together] == [digest(batches.at(step)) for step in range(3, 9)]


def test_what_is_made_ahead_comes_in_order_and_from_one_other_thread():
    made = list(_made_ahead(lambda number: (number, threading.current_thread()), range(20)))
    assert [number for number, _ in made] == list(range(20))
    threads = {thread for _, thread in made}
    assert len(threads) == 1
    assert threads != {threading.current_thread()}
    assert not threads.pop().is_alive()


def test_no_more_than_two_are_made_ahead():
    asked = []

    def inputs():
        for number in range(10):
            asked.append(number)
            yield number

    results = _made_ahead(lambda number: number, inputs())
    assert asked == []
    for taken in range(4):
        assert next(results) == taken
        assert asked == list(range(taken + 3))
    results.close()


def test_an_error_comes_out_at_its_place_and_ends_the_thread():
    def make(number):
        if number == 3:
            raise DataFormatError("slice 3")
        return number

    before = threading.active_count()
    results = _made_ahead(make, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataFormatError, match="slice 3"):
        next(results)
    assert threading.active_count() == before


def test_the_thread_ends_with_the_generator():
    before = threading.active_count()
    results = _made_ahead(lambda number: number, range(10))
    next(results)
    assert threading.active_count() == before + 1
    results.close()
    assert threading.active_count() == before


def test_nothing_is_ever_read_back_from_the_device(monkeypatch):
    """On a device whose tensors have no values: whoever asks for one is told so."""
    for module in (augment_module, batches_module):
        monkeypatch.setattr(module, "upload", lambda array, device: torch.from_numpy(array).to(device))
    sources, drawn = every_kind()
    batches = Batches(sources, settings(8, 7, **drawn), torch.device("meta"))
    for step in range(20):
        batch = batches.at(step)
        assert batch.image.shape == batch.x0.shape == batch.eps.shape == (7, 1, 8, 8)
        for name in FIELDS[2:]:
            assert getattr(batch, name).is_meta
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        batch.image.sum().item()


@pytest.mark.cuda
def test_a_gpu_makes_the_batches_of_the_cpu_without_waiting_for_them():
    sources, drawn = every_kind()
    here = batches_of(sources, 8, 7, **drawn)
    there = Batches(sources, settings(8, 7, **drawn), torch.device("cuda"))
    there.at(0)  # allocates, and that may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = there._made(range(20))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for step, (ahead, block) in enumerate(zip(there.ahead(range(20)), made, strict=True)):
        one = here.at(step)
        for name in FIELDS:
            expected = torch.as_tensor(getattr(one, name))
            for found in (getattr(ahead, name), getattr(block, name)):
                torch.testing.assert_close(torch.as_tensor(found).cpu(), expected, atol=1e-6, rtol=1e-6)
