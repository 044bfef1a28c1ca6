"""Which finished drawings are kept, by how much memory they take."""

from dataclasses import fields, replace

import numpy as np
import pytest

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.messages import Finished, SampleRequest
from napari_ambiseg.runs import Frames, Run, RunCache
from training.data.field import Field
from training.postprocess import Cleaning
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish

CASE = AnnotatedSlice(np.zeros((10, 10), np.float32), np.zeros((2, 10, 10), bool), "patient", "key")
MASKS, LAST, WALK = 200, 800, 1600  # bytes of what a run below has


def run(index, walk=True):
    states = np.zeros((2, 4, 10, 10), np.float16)[:, :2]
    states = np.ascontiguousarray(states)
    frames = Frames((0, 1), 1, (1.0, 0.0), (0.0, 1.0), (), states, states) if walk else None
    return Run(
        CASE, Origin("file", "val", index), Field(0, 0, 10, 10), Place(), "demo", SamplingWish(steps=3), 2, 7, "cpu",
        np.zeros((2, 10, 10), bool), {"model": "demo", "model_sha256": "abc", "seed": 7},
        np.zeros((2, 10, 10), np.float32), 1.0, frames,
    )  # fmt: skip


def indices(cache):
    return [kept.origin.index for kept in cache.all()]


def test_a_run_takes_the_memory_of_its_arrays():
    assert run(0).walk_bytes == WALK
    assert run(0).nbytes == MASKS + LAST + WALK
    assert run(0, walk=False).nbytes == MASKS + LAST
    assert replace(run(0, walk=False), x0_hat=None).nbytes == MASKS


def test_a_new_run_takes_the_place_of_the_one_that_its_case_had():
    cache = RunCache()
    cache.put(run(0))
    newer = run(0)
    cache.put(newer)
    assert len(cache) == 1
    assert cache.get(newer.origin) is newer
    assert cache.get(Origin("file", "val", 1)) is None


def test_walks_go_first_and_those_not_looked_at_for_longest():
    cache = RunCache(limit=10**6, walk_limit=2 * WALK)
    for index in range(3):
        cache.put(run(index))
    assert [kept.frames is None for kept in cache.all()] == [True, False, False]
    cache.get(Origin("file", "val", 1))
    cache.put(run(3))
    assert {kept.origin.index for kept in cache.all() if kept.frames is not None} == {1, 3}
    assert all(kept.masks.shape == (2, 10, 10) and kept.x0_hat is not None for kept in cache.all())


def test_beyond_the_limit_whole_runs_go_those_not_looked_at_for_longest_first():
    cache = RunCache(limit=3 * (MASKS + LAST), walk_limit=0)
    for index in range(3):
        cache.put(run(index, walk=False))
    cache.get(Origin("file", "val", 0))
    cache.put(run(3, walk=False))
    assert indices(cache) == [2, 0, 3]


@pytest.mark.parametrize("limit", [0, 1, MASKS])
def test_the_newest_run_stays_whole_however_large_it_is(limit):
    cache = RunCache(limit=limit, walk_limit=limit)
    cache.put(run(0))
    cache.put(run(1))
    assert indices(cache) == [1]
    assert cache.all()[0].frames is not None


def test_fifty_cases_take_no_more_than_the_limits_allow():
    cache = RunCache(limit=20_000, walk_limit=5 * WALK)
    for index in range(50):
        cache.put(run(index))
        assert sum(kept.nbytes for kept in cache.all()) <= 20_000
    assert sum(kept.frames is not None for kept in cache.all()) == 5


def test_what_a_run_says_of_itself_is_enough_to_draw_it_again():
    assert run(4).about == {
        "case": "key", "source": "file", "split": "val", "index": 4, "field": "0,0,10", "model": "demo",
        "model_sha256": "abc", "n": 2, "seed": 7, "wish": "--steps 3", "device_wish": "cpu",
    }  # fmt: skip


def test_a_run_is_what_came_of_what_was_asked_for():
    wanted = run(4)
    asked = SampleRequest(3, wanted.model, CASE, wanted.n, wanted.seed, wanted.device, wanted.wish, max_frames=2)
    came = Finished(3, wanted.masks, 1.0, wanted.provenance, wanted.x0_hat)
    made = Run.of(came, asked, wanted.origin, wanted.field, wanted.place, wanted.frames)
    assert all(
        getattr(made, field.name) is getattr(wanted, field.name) for field in fields(Run) if field.name != "seconds"
    )
    assert made.seconds == 1.0
    assert Run.of(came, asked, wanted.origin, wanted.field, wanted.place).frames is None


def test_a_threshold_is_only_for_runs_whose_predicted_masks_are_known():
    wish = Cleaning(threshold=0.3, fill_holes=True, smallest_object=4, relative_area=0.1)
    assert run(0).cleaning_of(wish) == wish
    assert replace(run(0), x0_hat=None).cleaning_of(wish) == replace(wish, threshold=0.0)
