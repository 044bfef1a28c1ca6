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
from training.machine import DeviceFact
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
    """Walks: x_t of state i is i everywhere, x0_hat is the seed's sign; a state takes two network calls."""

    n_steps: int = 5
    tell: object = None
    batch = 4

    def given(self, case):
        return type(self)(self.name, case, self.n_steps, self.tell)

    def walk(self, image, n, seed, *, between=lambda: None):
        for index in range(self.n_steps + 1):
            for call in range(2):
                between()
                behave(self.name, index, call)
            if self.name == "hungry" and index in (1, 3):
                self.tell(f"memory ran out with {4 // index} samples at once; going on with {2 // index}")
            state = np.full((n, *image.shape), index, np.float32)
            signs = discs(state.shape) if self.name == "discs" else np.full_like(state, 1 if seed else -1)
            yield Step(index, self.n_steps, 1 - index / self.n_steps, state, signs, 10 * index - 20)

    def estimate(self, shape, n, *, between):
        between()
        behave(self.name, 2, 0)
        return n * self.n_steps * shape[0] / 1000


def discs(shape):
    """Discs in the middle, each larger than the one before."""
    n, height, width = shape
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    radii = np.linspace(0.05, 0.3, n)[:, None, None] * height
    return np.where(distance < radii, 1, -1).astype(np.float32)


def behave(name, index, call):
    if name == "slow":
        time.sleep(0.025)
    elif name == "sluggish":  # each network call takes a while
        time.sleep(0.3)
    elif name == "stuck" and index == 2:
        time.sleep(600)
    elif name == "prints" and call == 0:
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


class FakeBackend:
    """Makes the fakes; once a model "no devices" was asked for, it cannot list them."""

    broken = False

    def load(self, wanted, tell):
        global loads
        loads += 1
        self.broken = wanted.model == "no devices"
        if wanted.model == "unknown":
            raise ConfigError("no model 'unknown'; choose one of: demo")
        return (
            OneGo("one-go") if wanted.model == "one-go" else Walker(wanted.model, None, wanted.wish.steps or 200, tell)
        )

    def facts(self):
        if self.broken:
            raise RuntimeError("no driver\nsecond line")
        return [DeviceFact("fake:0", "Fake GPU", 3, 4), DeviceFact("cpu", "Fake CPU", 1, 2)]

    def held_bytes(self):
        return 7


if __name__ == "__main__":
    main(FakeBackend())
