"""One evaluation: shared by the processes that meet, kept on disk, the same bytes however it came about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from training.build import load_segmenter
from training.data.crops import Cropped
from training.data.dataset import SliceDataset
from training.data.opening import open_dataset
from training.device import device_errors_told
from training.errors import ConfigError, DataFormatError
from training.evaluation.cases import HUMAN, HUMAN_PLAN, Count, Plan, Scorer, score_block, score_experts, tallies
from training.evaluation.files import Files
from training.evaluation.journal import Cost
from training.evaluation.outcome import find_finished, publish
from training.evaluation.request import Request
from training.evaluation.summary import Summary
from training.evaluation.work import EvaluationProgress, Work
from training.lock import locked
from training.machine import cpu_name, git_commit, versions
from training.metrics.on_device import tally_many
from training.metrics.tally import Tally
from training.model_card import ModelCard, find_weights, read_card
from training.processes import Processes, joined_processes
from training.records import BoolArray
from training.sampling_wish import SamplingWish
from training.segmenters.experts import REFERENCES
from training.segmenters.interface import SegmentationSampler

# One process may have hours more to do than another, on a slower device.
ONE_DAY = 86_400.0


def evaluate_run(
    model: str,
    data: Path,
    out: Path | None,
    *,
    split: str = "val",
    plan: Plan = Plan(),  # noqa: B008 -- frozen
    wish: SamplingWish = SamplingWish(),
    device: str = "auto",
    cases: int | None = None,
    random_crop: int | None = None,
    crop_seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
    timeout: float = ONE_DAY,
) -> Generator[EvaluationProgress, None, dict[str, Any] | None]:
    """Score a segmenter on a split, from where the files beside ``out`` stand.

    Started in several processes by ``torchrun``, they share the cases, and the first one writes the result.

    Parameters
    ----------
    model : as in `training.build.load_segmenter`; or "human", each expert beside the others, with one sample and no
        post-processing whatever ``plan`` says
    data : file of annotated slices
    out : name of the summary, ending in ".json"; ``.csv``, ``.cost.json`` and, until it is finished, a folder
        ``.parts`` lie beside it.  None keeps nothing, for a single process
    split : which slices
    plan : what to score of each case
    wish : how to draw
    device : "auto", "cpu", "cuda" or "cuda:N"; of several processes each takes its own GPU
    cases : the first so many slices; all if left out
    random_crop, crop_seed : look at a square of so many pixels of each slice, see `training.data.crops.Cropped`
    should_stop : asked after every block of cases; on True what is done stays, and the run ends
    tell : gets a line for each thing that the user should know
    timeout : seconds for which one process waits for another

    Yields
    ------
    EvaluationProgress; the last one of a finished evaluation has its cost

    Returns
    -------
    The summary, plain JSON values; None on processes but the first, and where someone asked to stop

    Raises
    ------
    ConfigError
        If something cannot be written, another process evaluates there, or another evaluation there is not finished.
    DataFormatError, CheckpointError, DeviceError
        If the data, the model or the device are not what they should be.
    OtherProcessError
        If another process says what failed.
    """
    with joined_processes(device, timeout) as processes, ExitStack() as held:

        def asked_to_stop() -> bool:
            return should_stop() or processes.is_orphaned

        with processes.together():
            files = _files(out, processes, held)
            files.require_apart_from(_read_files(model, data))
            dataset = held.enter_context(open_dataset(data))
            slices = dataset.split(split)
            crop = None
            if random_crop is not None:
                slices, crop = Cropped(slices, random_crop, crop_seed), {"size": random_crop, "seed": crop_seed}
            segmenter = None if model == HUMAN else load_segmenter(model, str(processes.device), wish, tell=tell)
            request = Request(
                segmenter=model,
                data=str(data),
                data_sha256=dataset.sha256(),
                split=split,
                cases=_count(cases, slices),
                crop=crop,
                sampling=_sampling(segmenter, processes.device),
                plan=plan if segmenter else HUMAN_PLAN,
                made_with=versions(),
                git_commit=git_commit(),
            )
        with processes.together():
            _require_same_everywhere(request, processes)
        with processes.together():
            finished = None
            if processes.is_first:
                if caution := _caution(model):
                    tell(caution)
                finished = find_finished(files, request, tell)
                if finished is None:
                    files.require_ours()
        if processes.any(finished is not None):
            content, cost = finished or (None, None)
            yield EvaluationProgress(request.cases, request.cases, is_finished=True, cost=cost)
            return content
        with processes.together():
            if processes.is_first:
                held.enter_context(_alone_in(files))
                if note := another_size(model, slices[0].image.shape):
                    tell(note)
                # Single slices are read unchecked, and scores of damaged ones would look like any.  The other
                # processes have the same file: its hash is a part of the request.
                dataset.verify()
                # Its memory is taken now, so that none is missing after hours of work.
                summary = Summary(request.plan, slices.patients[: request.cases], dataset.n_experts)
        if processes.any(asked_to_stop()):
            return None
        scorer = _scorer(segmenter, plan, processes.device)
        work = Work(request, files.parts, slices, scorer, processes, asked_to_stop, tell)
        journals = yield from work.all_cases()
        if journals is None:
            return None
        content, cost = None, None
        with processes.together():
            if processes.is_first:
                cost = _described(journals.cost, request, processes)
                content = publish(files, request, summary, journals, cost, keep=out is not None)
        yield EvaluationProgress(request.cases, request.cases, is_finished=True, cost=cost)
        return content


def another_size(model: str, shape: tuple[int, ...]) -> str | None:
    """What to tell of a model that sees slices of another size than it was trained on; None if it does not."""
    card = _card(model)
    if card is None:
        return None
    side = card.image_size
    height, width = shape
    if (height, width) == (side, side):
        return None
    remedy = f"; --random-crop {side} shows it what it was trained on" if min(height, width) >= side else ""
    return f"{model} was trained on {side} x {side} pixels, the slices have {height} x {width}{remedy}"


def _caution(model: str) -> str | None:
    """What a model's card says of it, such as that it has seen synthetic slices only; None if it says nothing."""
    card = _card(model)
    summary = " ".join(card.summary.split()) if card else ""
    return f"{model}: {summary}" if summary else None


def _card(model: str) -> ModelCard | None:
    return None if model in (*REFERENCES, HUMAN) else read_card(find_weights(model).with_suffix(".json"))


def _read_files(model: str, data: Path) -> list[Path]:
    """What must not be replaced: data, weights, card."""
    if model in (*REFERENCES, HUMAN):
        return [data]
    weights = find_weights(model)
    return [data, weights, weights.with_suffix(".json")]


def _files(out: Path | None, processes: Processes, held: ExitStack) -> Files:
    if out is None:
        if processes.count > 1:
            raise ConfigError("several processes meet in files; say where with --out scores.json")
        return Files(Path(held.enter_context(TemporaryDirectory(prefix="ambiseg-"))) / "scores.json")
    return Files(out)


def _count(wish: int | None, slices: SliceDataset) -> int:
    if wish is not None and wish < 1:
        raise ConfigError(f"at least 1 case must be scored, got {wish}")
    if not len(slices):
        raise DataFormatError("evaluation: there is no case to score; choose a split that is not empty")
    return len(slices) if wish is None else min(wish, len(slices))


def _sampling(segmenter: SegmentationSampler | None, device: torch.device) -> Mapping[str, str | int | float | None]:
    if segmenter is None:
        return {"model": HUMAN}
    # Which of several equal devices it was is no part of the result.
    return {name: device.type if name == "device" else value for name, value in segmenter.provenance.items()}


def _require_same_everywhere(request: Request, processes: Processes) -> None:
    text = json.dumps(request.fingerprint(), sort_keys=True)
    own = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])  # what a float64 holds exactly
    (first,) = processes.sum([own if processes.is_first else 0])
    if own != first:
        raise DataFormatError(
            f"process {processes.rank} has other data, another model or another version of a package than the first "
            f"process; the same must be everywhere"
        )


@contextmanager
def _alone_in(files: Files) -> Iterator[None]:
    """Hold the folder of the journals; it goes when nothing is left in it."""
    entered = False
    try:
        with locked(files.parts, "evaluating"):
            entered = True
            yield
    finally:
        if entered:
            files.remove_folder()


def _scorer(segmenter: SegmentationSampler | None, plan: Plan, device: torch.device) -> Scorer:
    if segmenter is None:
        return score_experts
    count: Count = partial(_tallies_on, device) if device.type == "cuda" else tallies
    return lambda cases: score_block(segmenter, cases, plan, count)


def _tallies_on(device: torch.device, samples: Sequence[BoolArray], annotations: Sequence[BoolArray]) -> list[Tally]:
    with device_errors_told(device, lost="run again, it goes on", memory="end what else runs there, and run again"):
        drawn, experts = (torch.from_numpy(np.stack(masks)).to(device) for masks in (samples, annotations))
        return tally_many(drawn, experts)


def _described(cost: Cost, request: Request, processes: Processes) -> dict[str, Any]:
    """The cost as plain JSON values."""
    on_gpu = processes.device.type == "cuda"
    return {
        "network_calls": request.sampling.get("network_calls", 0),
        "masks": 0 if request.segmenter == HUMAN else cost.cases * request.plan.most,
        "seconds": cost.drawing + cost.scoring,
        "seconds_drawing": cost.drawing,
        "seconds_scoring": cost.scoring,
        "seconds_per_image": cost.drawing / max(cost.cases, 1),
        "peak_memory_mib": cost.peak_memory_mib,
        "device": processes.device.type,
        "device_name": torch.cuda.get_device_name(processes.device) if on_gpu else cpu_name(),
        "processes": processes.count,
        "threads": torch.get_num_threads(),
    }
