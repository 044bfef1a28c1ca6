"""One mask estimated from all experts' by STAPLE, for those who need one: it hides that the experts disagree.

Torch-free; needs SimpleITK, which the extra "medical" brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError
from training.records import BoolArray, require_masks

REMEDY = 'STAPLE needs SimpleITK: pip install "napari-ambiseg[medical]"'
_MOST_ITERATIONS = 200  # it settles within some ten


@dataclass(frozen=True, eq=False)
class StapleEstimate:
    """What STAPLE makes of K masks.

    Parameters
    ----------
    probability : (H, W) float32, of each pixel to belong to the estimated lesion
    sensitivity, specificity : (K,) float64, of each expert against that estimate
    """

    probability: NDArray[np.float32]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]

    @property
    def mask(self) -> BoolArray:
        """(H, W) bool, where the probability is at least one half."""
        return self.probability >= 0.5


def is_available() -> bool:
    """Whether SimpleITK is installed; it is not imported for that."""
    return find_spec("SimpleITK") is not None


def staple(annotations: BoolArray) -> StapleEstimate:
    """Simultaneous truth and performance level estimation, as SimpleITK computes it.

    Parameters
    ----------
    annotations : (K, H, W) bool, the experts' masks

    Raises
    ------
    ConfigError
        Without SimpleITK.
    DataFormatError
        On an empty set, or another dtype or dimension.

    Notes
    -----
    The estimate leans on a prior, the share of all pixels that the experts mark, so that it changes with how much
    background the slice shows.  Masks that are all alike are their own estimate, which the iteration does not define.

    References
    ----------
    Warfield et al., "Simultaneous Truth and Performance Level Estimation (STAPLE)", IEEE TMI 2004,
    doi:10.1109/TMI.2004.828354.
    """
    require_masks(annotations, "annotations")
    if not is_available():
        raise ConfigError(REMEDY)
    if (annotations == annotations[0]).all():
        perfect = np.ones(len(annotations))
        return StapleEstimate(annotations[0].astype(np.float32), perfect, perfect.copy())
    simpleitk: Any = import_module("SimpleITK")
    method = simpleitk.STAPLEImageFilter()
    method.SetForegroundValue(1.0)
    method.SetMaximumIterations(_MOST_ITERATIONS)
    found = method.Execute([simpleitk.GetImageFromArray(mask.astype(np.uint8)) for mask in annotations])
    return StapleEstimate(
        simpleitk.GetArrayFromImage(found).astype(np.float32),
        np.array(method.GetSensitivity()),
        np.array(method.GetSpecificity()),
    )
