"""Kills an evaluation at random moments, goes on each time, and says how often it was killed until it was finished."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from training.evaluation.cases import Plan
from training.evaluation.run import evaluate_run
from training.segmenters.experts import ExpertsOracle

data, out, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
chance = random.Random(0)  # noqa: S311 -- not a secret
draw = ExpertsOracle.draw


def slowly(self, image, n, seed):
    time.sleep(0.002)
    return draw(self, image, n, seed)


ExpertsOracle.draw = slowly
kills = 0
while True:
    child = os.fork()
    if child == 0:
        try:
            for _ in evaluate_run("experts", data, out, plan=Plan((2, 5), (0.5,)), device="cpu"):
                pass
            os._exit(0)
        finally:
            os._exit(1)
    time.sleep(chance.random() * seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        if os.WEXITSTATUS(status):
            sys.exit("an evaluation failed")
        break
    kills += 1
    seconds *= 1.1  # or the last part, which is not kept, may never be done
print(kills)  # noqa: T201
