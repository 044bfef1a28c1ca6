"""Cases in memory in place of a file, and what a table shows of them."""

import numpy as np

from training.records import AnnotatedSlice


class Split:
    """A split of cases in memory; counts how many were read."""

    def __init__(self, cases):
        self._cases, self.read = cases, 0
        self.keys = tuple(f"case {at}" for at in range(len(cases)))
        self.patients = tuple(f"patient {at % 50}" for at in range(len(cases)))

    def __len__(self):
        return len(self._cases)

    def __getitem__(self, index):
        self.read += 1
        return self._cases[index]


class TwoSplits:
    def __init__(self, cases, kind=Split):
        self.splits = {"train": kind(cases), "test": Split(cases[:1])}

    def close(self):
        pass


def disagreeing(at):
    """A case whose two experts disagree more, the larger ``at`` is."""
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 0] = True
    masks[1, : at + 1] = True
    return AnnotatedSlice(np.zeros((16, 16), np.float32), masks, "patient", "key")


def column(dock, at):
    return [dock.cases.index(row, at).data() for row in range(dock.cases.rowCount())]
