"""What the paper prints: Christensen et al. 2025, *Diffusion Based Ambiguous Image Segmentation*, arXiv 2504.05977.

Tables 1 to 4 to the last digit, and what the text says of Figs. 6 to 9, whose curves it does not print.  GED is the
V-statistic throughout.  Tables 3 and 4 and Fig. 7 do not say for how many masks; 4, as in Figs. 6 and 8, fits their
values.  All of it is on LIDC-IDRI in the authors' own split, so that only numbers on the same slices compare.

Keys are the labels of the ablation grids.  Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CITATION = "Christensen et al. 2025, Diffusion Based Ambiguous Image Segmentation"
LINK = "https://arxiv.org/abs/2504.05977"

#: Side of the crop in pixels -> what the paper calls it.
CROPS: Mapping[int, str] = {128: "128 × 128 central crop", 64: "64 × 64 random crop"}
MODELS = ("Phi-Seg", "Prob. UNet (AA)", "Gen. Prob. UNet (AA mix)", "Gen. Prob. UNet (FC)", "Gen. Prob. UNet (FC mix)")
OURS = "Ours"
PREDICTIONS = ("x", "ε", "v")
WEIGHTINGS = ("SNR", "Trunc. SNR", "SNR+1", "Uniform")
ARCHITECTURES = ("Gen. Prob. UNet", "Diff Unet")
ARCHITECTURE_MODELS = ("AA", "AA mix", "FC", "FC mix", OURS)


@dataclass(frozen=True)
class Comparison:
    """A row of Tables 1 and 2, on the test set.

    Parameters
    ----------
    ged_4, ged_4_pp : GED (V) of 4 masks, raw and post-processed
    dice_4, dice_4_pp : dice of 4 masks, raw and post-processed
    ged_16, dice_16 : of 16 masks, raw
    parameters : of the network
    """

    ged_4: float
    ged_4_pp: float
    dice_4: float
    dice_4_pp: float
    ged_16: float
    dice_16: float
    parameters: int


@dataclass(frozen=True)
class Pair:
    """A cell of Tables 3 and 4, on the validation set: GED (V) and dice."""

    ged: float
    dice: float


#: Tables 1 (side 128) and 2 (side 64): side -> model -> row.
COMPARISONS: Mapping[int, Mapping[str, Comparison]] = {
    128: {
        "Phi-Seg": Comparison(0.347, 0.331, 0.485, 0.494, 0.252, 0.481, 7_322_210),
        "Prob. UNet (AA)": Comparison(0.334, 0.319, 0.488, 0.498, 0.235, 0.491, 6_847_129),
        "Gen. Prob. UNet (AA mix)": Comparison(0.338, 0.333, 0.485, 0.491, 0.240, 0.485, 6_864_027),
        "Gen. Prob. UNet (FC)": Comparison(0.365, 0.357, 0.453, 0.461, 0.253, 0.456, 6_844_945),
        "Gen. Prob. UNet (FC mix)": Comparison(0.344, 0.337, 0.486, 0.493, 0.249, 0.486, 6_882_467),
        OURS: Comparison(0.330, 0.304, 0.488, 0.507, 0.233, 0.486, 6_891_905),
    },
    64: {
        "Phi-Seg": Comparison(0.470, 0.534, 0.418, 0.429, 0.456, 0.425, 7_322_210),
        "Prob. UNet (AA)": Comparison(0.444, 0.453, 0.421, 0.429, 0.345, 0.422, 6_847_129),
        "Gen. Prob. UNet (AA mix)": Comparison(0.440, 0.433, 0.428, 0.441, 0.341, 0.427, 6_864_027),
        "Gen. Prob. UNet (FC)": Comparison(0.424, 0.427, 0.427, 0.439, 0.320, 0.429, 6_844_945),
        "Gen. Prob. UNet (FC mix)": Comparison(0.443, 0.441, 0.426, 0.437, 0.342, 0.426, 6_882_467),
        OURS: Comparison(0.419, 0.405, 0.438, 0.459, 0.312, 0.442, 6_891_905),
    },
}

#: Table 3: (side, prediction, weighting) -> scores after 50,000 steps.
LOSSES: Mapping[tuple[int, str, str], Pair] = {
    (128, "x", "SNR"): Pair(0.456, 0.388),
    (128, "x", "Trunc. SNR"): Pair(0.342, 0.475),
    (128, "x", "SNR+1"): Pair(0.338, 0.474),
    (128, "x", "Uniform"): Pair(0.339, 0.476),
    (128, "ε", "SNR"): Pair(0.822, 0.144),
    (128, "ε", "Trunc. SNR"): Pair(1.135, 0.011),
    (128, "ε", "SNR+1"): Pair(0.759, 0.141),
    (128, "ε", "Uniform"): Pair(0.849, 0.144),
    (128, "v", "SNR"): Pair(0.410, 0.425),
    (128, "v", "Trunc. SNR"): Pair(0.335, 0.482),
    (128, "v", "SNR+1"): Pair(0.334, 0.482),
    (128, "v", "Uniform"): Pair(0.337, 0.479),
    (64, "x", "SNR"): Pair(0.490, 0.351),
    (64, "x", "Trunc. SNR"): Pair(0.442, 0.405),
    (64, "x", "SNR+1"): Pair(0.441, 0.401),
    (64, "x", "Uniform"): Pair(0.443, 0.413),
    (64, "ε", "SNR"): Pair(0.768, 0.163),
    (64, "ε", "Trunc. SNR"): Pair(0.855, 0.154),
    (64, "ε", "SNR+1"): Pair(0.866, 0.153),
    (64, "ε", "Uniform"): Pair(0.797, 0.150),
    (64, "v", "SNR"): Pair(0.470, 0.391),
    (64, "v", "Trunc. SNR"): Pair(0.452, 0.396),
    (64, "v", "SNR+1"): Pair(0.440, 0.413),
    (64, "v", "Uniform"): Pair(0.427, 0.427),
}

#: Table 4: (architecture, model) -> scores.
ARCHITECTURE_SCORES: Mapping[tuple[str, str], Pair] = {
    ("Gen. Prob. UNet", "AA"): Pair(0.310, 0.505),
    ("Gen. Prob. UNet", "AA mix"): Pair(0.323, 0.495),
    ("Gen. Prob. UNet", "FC"): Pair(0.349, 0.462),
    ("Gen. Prob. UNet", "FC mix"): Pair(0.333, 0.494),
    ("Gen. Prob. UNet", OURS): Pair(0.314, 0.499),
    ("Diff Unet", "AA"): Pair(0.329, 0.496),
    ("Diff Unet", "AA mix"): Pair(0.337, 0.485),
    ("Diff Unet", "FC"): Pair(0.338, 0.470),
    ("Diff Unet", "FC mix"): Pair(0.322, 0.498),
    ("Diff Unet", OURS): Pair(0.318, 0.499),
}

#: Fig. 6: reverse steps chosen for both crops, and the sampler chosen for each side.
STEPS = 10
SAMPLERS: Mapping[int, str] = {128: "DDIM", 64: "DDPM"}
#: Fig. 7: "around -6 seems optimal".
SIGMOID_BIAS = -6.0
#: Fig. 8: "close to the optimum".
INPUT_SCALE = 0.1
#: Fig. 9: chosen on the validation set.
RELATIVE_AREA = 0.5


def best_loss(side: int) -> Pair:
    """The dashed lines of Fig. 7: the lowest GED and the highest dice of Table 3 for the crop of this side."""
    row = [pair for key, pair in LOSSES.items() if key[0] == side]
    return Pair(min(pair.ged for pair in row), max(pair.dice for pair in row))
