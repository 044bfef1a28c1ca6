"""``python -m training`` whose references draw slowly, so that a test can come in between.

SECONDS is how long a case takes; the process of rank FAIL_RANK fails at the case FAIL_AT, counted over its own.
"""

import os
import sys
import time
from dataclasses import replace

from training.__main__ import main
from training.segmenters.experts import ExpertsOracle

draw, drawn = ExpertsOracle.draw, []


def slowly(self, image, n, seed):
    drawn.append(seed)
    time.sleep(float(os.environ.get("SECONDS", "0")))
    samples = draw(self, image, n, seed)
    if os.environ.get("FAIL_RANK") == os.environ.get("RANK", "0") and len(drawn) == int(os.environ["FAIL_AT"]):
        return replace(samples, masks=samples.masks[:, :8])
    return samples


ExpertsOracle.draw = slowly
sys.argv[0] = "ambiseg"
main()
