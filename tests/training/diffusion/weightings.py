"""Every weighting beside its closed form as a function of the SNR."""

import torch

from training.diffusion.weighting import (
    SigmoidAsPrintedWeighting,
    SigmoidWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
)

WEIGHTINGS = {
    "snr": (SnrWeighting(), lambda snr: snr),
    "truncated": (TruncatedSnrWeighting(), lambda snr: snr.clamp(min=1)),
    "snr+1": (SnrPlusOneWeighting(), lambda snr: snr + 1),
    "uniform": (UniformWeighting(), torch.ones_like),
    "sigmoid": (SigmoidWeighting(-2.0), lambda snr: 1 / (1 + (-2.0 - snr.log()).exp())),
    "printed": (SigmoidAsPrintedWeighting(-2.0), lambda snr: 1 / (1 + (2.0 - snr.log()).exp())),
}
