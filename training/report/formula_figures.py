"""Figs. 2 and 3, which need no training: what the noise schedule does to a mask, and what the loss weightings weigh.

Both are drawn from the functions that training uses, so that they show this program and not a sketch of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from training.data.phantom import phantom_case
from training.diffusion.schedule import CosineSchedule
from training.diffusion.weighting import (
    SigmoidWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
    Weighting,
)
from training.noise import normal_fields
from training.records import FloatArray
from training.report.canvas import Format, drawing, rendered, style
from training.report.figures import FigureText
from training.report.paper import INPUT_SCALE
from training.rng import Purpose

SCHEDULE = FigureText(
    "fig2",
    "Fig. 2: the noise schedule",
    "A phantom's mask on its way from data (t = 0) to noise (t = 1) under the cosine schedule with input scale b, the "
    "noise being the same in all pictures. Under each its log SNR. With b = 1 the mask can be told from x_t alone far "
    "into the noise, so that a network learns to ignore the image; with b = 0.1 it cannot.",
)
WEIGHTINGS = FigureText(
    "fig3",
    "Fig. 3: loss weightings",
    f"Weight of the error in x0 against time, for the cosine schedule with b = {INPUT_SCALE:g}. The sigmoid weighting "
    "is −d(log SNR)/dt · sigmoid(log SNR − b̃): the paper prints + b̃, which contradicts its own description.",
)

_SCALES = (1.0, 0.5, 0.1)
_TIMES = tuple(i / 10 for i in range(11))
_PHANTOM = (36, 7)  # index and seed of a large nodule, which all four experts outline
_SIDE = 64
_BIASES = (2.0, 0.0, -2.0, -6.0)


def latents(scales: Sequence[float] = _SCALES, times: Sequence[float] = _TIMES) -> FloatArray:
    """x_t = alpha(t) x0 + sigma(t) eps of a phantom's mask, as (len(scales), len(times), 64, 64)."""
    masks = phantom_case(*_PHANTOM).slice.masks
    whole = masks[int(masks.sum(axis=(1, 2)).argmax())]
    middle = [round(float(at.mean())) for at in whole.nonzero()]
    top, left = (min(max(at - _SIDE // 2, 0), len(whole) - _SIDE) for at in middle)
    x0 = torch.from_numpy(whole[top : top + _SIDE, left : left + _SIDE] * 2.0 - 1.0)
    eps = normal_fields(0, Purpose.TRAINING_NOISE, [0], 0, (_SIDE, _SIDE))[0].double()
    t = torch.tensor(times, dtype=torch.float64)[:, None, None]
    rows = [schedule.alpha(t) * x0 + schedule.sigma(t) * eps for schedule in map(CosineSchedule, scales)]
    return np.asarray(torch.stack(rows).numpy(), np.float32)


def draw_schedule(forms: Sequence[Format] = ("svg", "png")) -> dict[Format, bytes]:
    """Fig. 2 in each of these forms."""
    pictures = latents()
    with drawing(len(_TIMES) * 0.95, len(_SCALES) * 1.12) as figure:
        axes = figure.subplots(len(_SCALES), len(_TIMES))
        for row, scale, of_scale in zip(axes, _SCALES, pictures, strict=True):
            levels = CosineSchedule(scale).log_snr(torch.tensor(_TIMES))
            for ax, t, picture, level in zip(row, _TIMES, of_scale, levels, strict=True):
                ax.imshow(picture, cmap="gray", vmin=-2.5, vmax=2.5, interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
                ax.set_xlabel(f"{float(level):.1f}".replace("-0.0", "0.0").replace("-", "−"), fontsize=7.5, labelpad=2)
                if scale == _SCALES[0]:
                    ax.set_title(f"t = {t:g}", fontsize=8.5)
            row[0].set_ylabel(f"b = {scale:g}")
        return {form: rendered(figure, form) for form in forms}


def weightings() -> dict[str, Weighting]:
    """What Fig. 3 shows, by the name in its legend."""
    plain: dict[str, Weighting] = {
        "SNR": SnrWeighting(),
        "truncated SNR, max(SNR, 1)": TruncatedSnrWeighting(),
        "SNR + 1": SnrPlusOneWeighting(),
        "uniform": UniformWeighting(),
    }
    return plain | {f"sigmoid, b̃ = {bias:g}".replace("-", "−"): SigmoidWeighting(bias) for bias in _BIASES}


def weight(weighting: Weighting, times: Sequence[float]) -> FloatArray:
    """w(t) at these times in (0, 1), with -d(log SNR)/dt for the sigmoid weighting, as in Sec. 3.4."""
    schedule = CosineSchedule(INPUT_SCALE)
    t = torch.tensor(times, dtype=torch.float64)
    found = weighting.log_weight(schedule.log_snr(t)).exp()
    if isinstance(weighting, SigmoidWeighting):
        found = found * schedule.slope(t)
    return np.asarray(found.numpy(), np.float32)


def draw_weightings(forms: Sequence[Format] = ("svg", "png")) -> dict[Format, bytes]:
    """Fig. 3 in each of these forms."""
    times = [i / 400 for i in range(1, 400)]
    n_plain = len(weightings()) - len(_BIASES)
    half_way = CosineSchedule(INPUT_SCALE).time(torch.zeros(1)).item()
    with drawing(9.0, 4.0) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        for number, (name, weighting) in enumerate(weightings().items()):
            ax = axes[int(number >= n_plain)]
            look = style(number % n_plain)
            ax.plot(
                times,
                weight(weighting, times),
                color=look.colour,
                linestyle=look.dashes,
                marker=look.marker,
                markevery=(10 + 11 * (number % n_plain), 44),
                markersize=4.5,
                label=name,
            )
        for ax, title in zip(axes, ("functions of the SNR", "sigmoid, with −d(log SNR)/dt"), strict=True):
            ax.axvline(half_way, color="#999999", linewidth=0.9, linestyle=":")
            ax.annotate(
                f"SNR = 1 at t = {half_way:.3f}", (half_way, 0), (4, 4), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7, color="#555555",
            )  # fmt: skip
            ax.set(yscale="log", ylim=(1e-5, 1e4), xlim=(0, 1), xlabel="time t", title=title)
            ax.legend(handlelength=4)
        axes[0].set_ylabel("weight w(t) of the squared error in x0")
        return {form: rendered(figure, form) for form in forms}


def describe_weightings() -> str:
    """What Fig. 3 shows, for those who do not see it."""
    middle = [f"{name}: {math.log10(float(weight(w, [0.5])[0])):.1f}" for name, w in weightings().items()]
    return f"{WEIGHTINGS.title}. Powers of ten of the weight at t = 0.5: " + "; ".join(middle) + "."
