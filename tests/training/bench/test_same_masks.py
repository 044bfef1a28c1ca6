"""The study of masks: what a network predicts is told in every way, and comes out as it went in."""

import pytest
import torch

from training.bench.same_masks import Retold
from training.build import PREDICTIONS, build_schedule
from training.diffusion.denoiser import signal_and_noise


@pytest.mark.parametrize("own", PREDICTIONS)
@pytest.mark.parametrize("told", PREDICTIONS)
def test_a_prediction_that_is_told_otherwise_means_the_same_mask(small, own, told):
    made = torch.Generator().manual_seed(0)
    t = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
    alpha, sigma = (one.double() for one in signal_and_noise(build_schedule(small), t))
    x0, eps = (torch.randn(3, 1, 4, 4, generator=made, dtype=torch.float64) for _ in range(2))
    x_t = alpha * x0 + sigma * eps
    retold = Retold(PREDICTIONS[own], PREDICTIONS[told])
    output = PREDICTIONS[own].target(x0, eps, alpha, sigma)
    torch.testing.assert_close(retold.to_x0(output, x_t, alpha, sigma), x0)
    torch.testing.assert_close(retold.target(x0, eps, alpha, sigma), PREDICTIONS[told].target(x0, eps, alpha, sigma))
    assert retold.bounded == PREDICTIONS[own].bounded
