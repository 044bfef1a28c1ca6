"""Where a state stands in the reverse diffusion, in words.  No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

SEPARATOR = " · "
# Up to which logarithm of signal to noise a state is called what: its powers are 1 to 10,000, 1 to 100, 1 to 2, ...
_SNR_WORDS = (
    (-9.2, "pure noise"),
    (-4.6, "nearly all noise"),
    (-0.7, "mostly noise"),
    (0.7, "half noise"),
    (4.6, "mostly mask"),
)


def walk_parts(
    step: tuple[int, int], sample: tuple[int, int], t: float, log_snr: float, *, predicted: bool = False
) -> tuple[str, ...]:
    """What there is to say of a state, the most needed first.

    Parameters
    ----------
    step, sample : (number, of how many)
    t : diffusion time, from 1, noise, to 0, the mask
    log_snr : logarithm of signal to noise; NaN where it is not known
    predicted : whether the clean mask is shown that the model predicts from the state, not the state
    """
    parts = ("step {}/{}".format(*step), "sample {}/{}".format(*sample))
    if math.isnan(log_snr):
        return (*parts, f"t {t:.2f}")
    words = next((words for bound, words in _SNR_WORDS if log_snr < bound), "nearly clean")
    words = f"from {words}" if predicted else words
    return (*parts, words, f"t {t:.2f}, log SNR {log_snr:.1f}".replace("-", "−"))


def fitting(parts: Sequence[str], length: int) -> str:
    """As many of the parts as fit into one line of ``length`` characters; the first one always stays."""
    count = len(parts)
    while count > 1 and len(SEPARATOR.join(parts[:count])) > length:
        count -= 1
    return SEPARATOR.join(parts[:count])
