"""The process that reads files from outside, and may die of them.

Started by `training.data.reading` as ``python -m training.data.reading_process``.  A request is one JSON object.  An
answer is one JSON object, and the raw bytes of the arrays that it announces: neither side unpickles anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.data.hdf5 import is_annotated_hdf5
from training.data.opening import open_dataset
from training.errors import AmbisegError
from training.parent import answer_parent, limit_memory, report_bug

CHUNK = 2**18  # bytes of an array that are sent at once; about what the system keeps for a socket
SPARE_MEMORY = 4 * 2**30  # bytes, besides what is known to be needed

Answer = tuple[dict[str, Any], list[NDArray[Any]]]


class Server:
    """Reads for one parent over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._datasets: dict[int, Dataset] = {}
        self._sizes: dict[int, int] = {}  # bytes of the files
        self._jobs: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "look": self._look,
            "open": self._open,
            "slice": self._slice,
            "size": self._size,
            "arrays": self._arrays,
            "verify": self._verify,
            "close": self._close,
        }

    def run(self) -> None:
        """Answer requests until the parent hangs up."""
        while True:
            try:
                request = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                return
            facts, arrays = self._answer(request)
            facts["arrays"] = [(array.dtype.str, array.shape) for array in arrays]
            try:
                self._connection.send_bytes(json.dumps(facts).encode())
                for array in arrays:
                    content = np.ascontiguousarray(array).data.cast("B")
                    for first in range(0, len(content), CHUNK):
                        self._connection.send_bytes(content[first : first + CHUNK])
            except OSError:
                return

    def _answer(self, request: dict[str, Any]) -> Answer:
        try:
            return self._jobs[request["do"]](request)
        except AmbisegError as error:
            return {"error": type(error).__name__, "text": str(error)}, []
        except MemoryError:
            reason = "it takes more memory than reading it should"
        except Exception as error:  # a bug of ours must not cost the other open files
            reason = report_bug(error)
        return {"error": "DataFormatError", "text": f"{request['path']}: cannot be read ({reason})"}, []

    def _look(self, request: dict[str, Any]) -> Answer:
        os.chdir(request["folder"])
        return {"annotated": is_annotated_hdf5(Path(request["path"]))}, []

    def _open(self, request: dict[str, Any]) -> Answer:
        os.chdir(request["folder"])  # a relative path means there what it means in the parent, in messages too
        path, number = Path(request["path"]), int(request["file"])
        size = path.stat().st_size if path.is_file() else 0
        self._limit_memory(size)
        dataset = open_dataset(path)
        self._datasets[number], self._sizes[number] = dataset, size
        facts = {
            "splits": {
                name: {"keys": split.keys, "patients": split.patients, "spacings": split.spacings}
                for name, split in dataset.splits.items()
            },
            "n_experts": dataset.n_experts,
            "attributes": dict(dataset.attributes),
        }
        return facts, []

    def _slice(self, request: dict[str, Any]) -> Answer:
        case = self._datasets[request["file"]].splits[request["split"]][request["index"]]
        arrays: list[NDArray[Any]] = [case.image, case.masks]
        if case.hounsfield is not None:
            arrays.append(case.hounsfield)
        return {}, arrays

    def _size(self, request: dict[str, Any]) -> Answer:
        """About how many bytes the whole file takes in memory; 0 if its slices cannot be read."""
        total = 0
        for split in self._datasets[request["file"]].splits.values():
            try:
                case = split[0]
            except AmbisegError:
                return {"bytes": 0}, []  # the reason belongs to the request that follows
            total += len(split) * (case.image.nbytes + case.masks.nbytes)
        return {"bytes": total}, []

    def _arrays(self, request: dict[str, Any]) -> Answer:
        self._limit_memory(self._size(request)[0]["bytes"])
        arrays = self._datasets[request["file"]].splits[request["split"]].arrays()
        return {}, [arrays.images, arrays.masks]

    def _verify(self, request: dict[str, Any]) -> Answer:
        return {"compared": self._datasets[request["file"]].verify()}, []

    def _close(self, request: dict[str, Any]) -> Answer:
        self._datasets.pop(request["file"]).close()
        self._sizes.pop(request["file"])
        return {}, []

    def _limit_memory(self, needed: int) -> None:
        limit_memory(SPARE_MEMORY + sum(self._sizes.values()) + needed)


def main() -> None:
    """Serve the process that started this one until it hangs up."""
    limit_memory(SPARE_MEMORY)
    with answer_parent() as connection:
        Server(connection).run()


if __name__ == "__main__":
    main()
