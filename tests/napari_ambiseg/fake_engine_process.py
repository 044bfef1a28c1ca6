"""A sampling process whose models are fakes that behave well or badly; started by the tests of the engine.

The model's name says how it behaves.
"""

import os
import sys
import time
from dataclasses import dataclass

import numpy as np

from napari_ambiseg.engine_process import main
from training.errors import ConfigError, DeviceLostError
from training.records import SampleSet, Step

print("a library greets the world while it is imported")  # noqa: T201
loads = 0


@dataclass(frozen=True)
class OneGo:
    """Draws without steps; sample i is a square of i + 1 pixels, where the case has experts at all."""

    name: str
    case: object = None

    @property
    def provenance(self):
        return {"model": self.name, "device": "fake:0", "loads": loads}

    def given(self, case):
        return type(self)(self.name, case)

    def draw(self, image, n, seed):
        masks = np.zeros((n, *image.shape), bool)
        for i in range(n):
            masks[i, : i + 1, : self.case.n_experts] = True
        return SampleSet(masks, seed, self.provenance)


@dataclass(frozen=True)
class Walker(OneGo):
    """Walks: x_t of state i is i everywhere, x0_hat is the seed's sign."""

    n_steps: int = 5

    def given(self, case):
        return type(self)(self.name, case, self.n_steps)

    def walk(self, image, n, seed):
        for index in range(self.n_steps + 1):
            behave(self.name, index)
            state = np.full((n, *image.shape), index, np.float32)
            yield Step(index, self.n_steps, 1 - index / self.n_steps, state, np.full_like(state, 1 if seed else -1))


def behave(name, index):
    if name == "slow":
        time.sleep(0.05)
    elif name == "stuck" and index == 2:
        time.sleep(600)
    elif name == "prints":
        sys.stdout.write("noise from C or Python\n" * 5000)
        os.write(1, b"\xff\xfe not even text\n")
    elif name == "crashes" and index == 2:
        os._exit(3)
    elif name == "lost" and index == 2:
        raise DeviceLostError("fake:0 gave up; choose the device cpu, or try once more")
    elif name == "buggy" and index == 2:
        raise RuntimeError("first line\nsecond line")
    elif name == "disk" and index == 2:
        raise OSError("no space left on device")


def load(request):
    global loads
    loads += 1
    if request.model == "unknown":
        raise ConfigError("no model 'unknown'; choose one of: demo")
    return OneGo("one-go") if request.model == "one-go" else Walker(request.model, None, request.steps)


if __name__ == "__main__":
    main(load, lambda: ["cpu", "fake:0"])
