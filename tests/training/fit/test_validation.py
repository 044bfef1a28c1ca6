"""Validation scores the same cases with the same noise each time, in shares that add up, and leaves no trace."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.build import build_denoiser, build_sampler
from training.data.crops import random_crop
from training.data.dataset import SliceDataset
from training.data.phantom import phantom_case
from training.errors import DataFormatError
from training.fit import validation as module
from training.fit.validation import Validation, spread
from training.metrics import iou
from training.presets import load_config
from training.records import AnnotatedSlice, SampleSet
from training.rng import case_seed
from training.segmenters.diffusion import DiffusionSegmenter

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


class Split(SliceDataset):
    """A list of cases that notes which of them were read."""

    def __init__(self, cases):
        self._cases = list(cases)
        self.keys = tuple(case.key for case in self._cases)
        self.patients = tuple(case.patient for case in self._cases)
        self.spacings = tuple(case.spacing_mm for case in self._cases)
        self.read = []

    def __getitem__(self, index):
        self.read.append(index)
        return self._cases[index]

    def arrays(self):
        raise NotImplementedError


def quick(*changes):
    return load_config(
        "tiny",
        ["fit.validation_cases=5", "fit.validation_samples=3", "sampling.steps=2", "fit.precision=fp32", *changes],
    )


@pytest.fixture(scope="module")
def split():
    return Split(phantom_case(i, 0, 32).slice for i in range(11))


@pytest.fixture(scope="module")
def denoiser():
    """Fresh weights draw nothing but empty or full masks: the last layer is given some size."""
    made = build_denoiser(quick())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


# ---- which cases


def test_cases_are_spread_evenly():
    assert spread(11, 5) == [1, 3, 5, 7, 9]
    assert spread(100, 4) == [12, 37, 62, 87]
    assert spread(3, 64) == [0, 1, 2]
    assert spread(7, 1) == [3]


@given(st.integers(1, 10**6), st.integers(1, 200))
def test_spread_cases_are_different_in_order_and_equally_far_apart(n, count):
    places = spread(n, count)
    assert len(places) == min(n, count)
    assert places[0] >= 0
    assert places[-1] < n
    gaps = np.diff(places)
    assert (gaps >= 1).all()
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_a_process_reads_its_own_cases_alone():
    cases = [phantom_case(i, 0, 32).slice for i in range(11)]
    read = []
    for rank in range(3):
        split = Split(cases)
        Validation(split, quick(), CPU, rank, 3)
        assert split.read[0] == 0  # whose size tells that of all
        read.append(split.read[1:])
    assert read == [[1, 7], [3, 9], [5]]


def test_an_empty_split_is_refused():
    with pytest.raises(DataFormatError, match=r"no val slices .* set fit.validate_every = 0"):
        Validation(Split([]), quick(), CPU)


# ---- the score


class Toy:
    """Stands for the segmenter: draws the image's bright half, all of it, and nothing; notes how it was made."""

    made = None

    def __init__(self, denoiser, sampler, n_steps, **options):
        Toy.made = sampler, n_steps, options

    def draw_many(self, images, n, seeds):
        drawn = [np.stack([image > 0.5, np.ones(image.shape, bool), np.zeros(image.shape, bool)]) for image in images]
        return [SampleSet(masks[:n], seed) for masks, seed in zip(drawn, seeds, strict=True)]


def slow_ged_u(samples, experts):
    def distance(a, b):
        return 1 - float(iou(a, b))

    cross = np.mean([distance(s, y) for s in samples for y in experts])
    within = np.mean([distance(s, r) for i, s in enumerate(samples) for j, r in enumerate(samples) if i != j])
    return 2 * cross - within - np.mean([distance(y, z) for y in experts for z in experts])


def test_the_score_is_the_sum_of_ged_over_the_cases(monkeypatch, split, denoiser):
    monkeypatch.setattr(module, "DiffusionSegmenter", Toy)
    total, count = Validation(split, quick(), CPU).score(denoiser)
    expected = 0.0
    for place in (1, 3, 5, 7, 9):
        case = split[place]
        samples = [case.image > 0.5, np.ones((32, 32), bool), np.zeros((32, 32), bool)]
        expected += slow_ged_u(samples, case.masks)
    assert count == 5
    assert total == pytest.approx(expected, rel=1e-12)


def test_masks_are_drawn_as_the_config_says(monkeypatch, split, denoiser):
    monkeypatch.setattr(module, "DiffusionSegmenter", Toy)
    wish = ["sampling.eta=0.5", "sampling.steps=7", "sampling.grid=log-snr", "sampling.guidance=2"]
    config = quick(*wish, "diffusion.image_dropout=0.1", "fit.precision=bf16")
    Validation(split, config, CPU).score(denoiser)
    sampler, n_steps, options = Toy.made
    assert (sampler, n_steps) == (build_sampler("ddim", 0.5), 7)
    assert options == {"grid": "log-snr", "guidance": 2.0, "precision": "bf16", "device": CPU}
    Validation(split, quick("fit.precision=auto", "fit.determinism=portable"), CPU).score(denoiser)
    assert Toy.made[2]["precision"] == "fp32"


def test_the_real_thing_is_the_case_by_case_reference(split, denoiser):
    total, count = Validation(split, quick(), CPU).score(denoiser)
    segmenter = DiffusionSegmenter(copy.deepcopy(denoiser), build_sampler("ddim"), 2, precision="fp32")
    expected = 0.0
    for place in (1, 3, 5, 7, 9):
        masks = segmenter.draw(split[place].image, 3, case_seed(0, split[place].key)).masks
        assert 0 < masks.mean() < 1
        expected += slow_ged_u(masks, split[place].masks)
    assert total == pytest.approx(expected, rel=1e-3)
    assert count == 5


def test_a_score_depends_on_weights_and_seed_alone(split, denoiser):
    validation = Validation(split, quick(), CPU)
    first = validation.score(denoiser)
    torch.manual_seed(12)
    assert validation.score(denoiser) == first == Validation(split, quick(), CPU).score(copy.deepcopy(denoiser))
    assert Validation(split, quick("fit.seed=1"), CPU).score(denoiser) != first
    assert validation.score(build_denoiser(quick())) != first


@pytest.mark.parametrize("processes", [3, 7])
def test_the_shares_of_processes_add_up(split, denoiser, processes):
    total, count = Validation(split, quick(), CPU).score(denoiser)
    shares = [Validation(split, quick(), CPU, rank, processes).score(denoiser) for rank in range(processes)]
    assert sum(n for _, n in shares) == count
    assert sum(part for part, _ in shares) == pytest.approx(total, rel=1e-3)  # the network's batches differ
    assert all(part == 0 for part, n in shares if n == 0)


def test_validation_leaves_no_trace(split, denoiser):
    model = copy.deepcopy(denoiser).to(memory_format=torch.channels_last).train()
    next(model.backbone.children()).eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)

    def trace():
        tensors = [*model.parameters(), *model.buffers()]
        return (
            [(tensor.data_ptr(), tensor.stride(), tensor.device, tensor._version) for tensor in tensors],
            [tensor.detach().numpy().tobytes() for tensor in tensors],
            [parameter.grad.numpy().tobytes() for parameter in model.parameters()],
            [parameter.requires_grad for parameter in model.parameters()],
            [part.training for part in model.modules()],
            [[*part._forward_hooks, *part._forward_pre_hooks] for part in model.modules()],
            torch.get_rng_state().numpy().tobytes(),
            str(np.random.get_state()),  # noqa: NPY002 -- that it is not touched
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_num_threads(),
        )

    before = trace()
    Validation(split, quick(), CPU).score(model)
    assert trace() == before


def test_a_network_of_every_kind_can_be_validated(split):
    wish = [
        "diffusion.self_conditioning=true",
        "diffusion.image_dropout=0.1",
        "sampling.guidance=1.5",
        "sampling.sampler=heun",
    ]
    config = quick(*wish, "fit.validation_cases=2")
    total, count = Validation(split, config, CPU).score(build_denoiser(config))
    assert count == 2
    assert -2 < total < 4


# ---- sizes


def case_of(h, w, key="a"):
    numbers = np.random.default_rng(0)
    image = numbers.random((h, w), np.float32)
    return AnnotatedSlice(image, numbers.random((2, h, w)) < 0.3, "p", key)


@pytest.mark.parametrize("size", [(32, 40), (48, 32), (50, 60)])
def test_larger_slices_are_seen_through_their_own_crop(monkeypatch, denoiser, size):
    cases = [case_of(*size, key=str(i)) for i in range(4)]
    seen = []

    class Noting(Toy):
        def draw_many(self, images, n, seeds):
            seen.extend(images)
            return super().draw_many(images, n, seeds)

    monkeypatch.setattr(module, "DiffusionSegmenter", Noting)
    Validation(Split(cases), quick("fit.seed=4"), CPU).score(denoiser)
    for image, case in zip(seen, cases, strict=True):
        np.testing.assert_array_equal(image, random_crop(case, 32, seed=4).image)


@pytest.mark.parametrize("size", [(32, 32), (20, 24), (20, 50)])
def test_slices_that_cannot_be_cropped_are_seen_whole(denoiser, size):
    split = Split([case_of(*size), case_of(*size, key="b")])
    validation = Validation(split, quick(), CPU)
    assert [case.image.shape for case in validation._cases] == [size, size]
    assert validation.score(denoiser)[1] == 2
