"""The states of a walk as one layer with axes sample, step, y, x."""

from __future__ import annotations

from napari_ambiseg.layers.colours import predicted_colormap
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, TRAJECTORY, LayerData
from training.records import HalfArray


def trajectory_layer(frames: HalfArray, quantity: str, place: Place) -> LayerData:
    """The frames (N, F, H, W) of a walk: axes sample, step and those of the place; NaN is transparent.

    The noisy state "x_t" is shown in grey over [-2, 2], the predicted mask "x0_hat" as a veil over [-1, 1]: fixed,
    so that the brightness does not flicker from step to step.
    """
    noisy = quantity == "x_t"
    options = {
        "name": "trajectory",
        **place.options(leading=2),
        "colormap": "gray" if noisy else predicted_colormap(),
        "contrast_limits": (-2.0, 2.0) if noisy else (-1.0, 1.0),
        "blending": "translucent",
        "interpolation2d": "nearest",
        "metadata": {KEY: {"role": TRAJECTORY, "quantity": quantity}},
    }
    return place.lift(frames), options, "image"
