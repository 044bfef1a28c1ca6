"""Draws the walk that File > Open Sample plays, and writes it beside the plugin's modules.

::

    python docs/demo_walk.py
"""

import training
from napari_ambiseg.recorded_walk import CASE, FILE, MODEL, N_SAMPLES, SEED, RecordedWalk
from napari_ambiseg.sample_data import PhantomCases


def recorded() -> RecordedWalk:
    """The walk of the demo model, drawn now."""
    segmenter = training.load_segmenter(MODEL, device="cpu")
    return RecordedWalk.of(segmenter.walk(PhantomCases()[CASE].image, N_SAMPLES, SEED), segmenter.provenance)


if __name__ == "__main__":
    recorded().write()
    print(f"{FILE}: {FILE.stat().st_size / 1000:.0f} kB")  # noqa: T201 - the command's answer
