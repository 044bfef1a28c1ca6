"""The accuracy that the published times were bought with, at full size.  Nothing is timed here."""

import pytest
import torch

from training.bench.loading import bench_io
from training.bench.sampling import bench_sampling
from training.bench.scoring import bench_metrics
from training.bench.training_step import bench_training
from training.device import pick_device
from training.presets import PRESETS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def failing(outcome):
    assert outcome.gates
    return [gate for gate in outcome.gates if not gate.holds]


def test_the_papers_network_draws_the_plain_loops_masks():
    """In float32 with random weights, and in both precisions with the trained demo model."""
    outcome = bench_sampling(PRESETS["paper-128"], pick_device(), rounds=1, only=["ours-fp32", "ours-bf16"])
    assert len(outcome.gates) == 3
    assert failing(outcome) == []


def test_the_papers_network_learns_the_plain_loops_losses():
    outcome = bench_training(PRESETS["paper-128"], pick_device(), rounds=1, only=["ours-fp32", "ours-bf16"])
    assert len(outcome.gates) == 2
    assert failing(outcome) == []


def test_scores_equal_those_of_the_pair_loop():
    assert failing(bench_metrics(cases=100, rounds=1)) == []


def test_what_is_read_equals_what_was_written():
    assert failing(bench_io(phantoms=500, rounds=1)) == []


@pytest.mark.cuda
def test_many_masks_at_once_hold_on_a_gpu():
    outcome = bench_sampling(
        PRESETS["paper-128"], torch.device("cuda"), samples=256, rounds=1, only=["ours-fp32", "ours-bf16"]
    )
    assert failing(outcome) == []
