"""What each part measures: the benches of ``ambiseg bench`` at the sizes of the targets, or tiny for a smoke test."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from training.bench.machine import describe_machine
from training.bench.outcome import Fact, Gate, Outcome
from training.bench.targets import Finding
from training.device import pick_device
from training.gpu_check.settings import Settings
from training.machine import package_version, peak_memory_mib
from training.presets import PRESETS

if TYPE_CHECKING:
    import pytest

TESTS = Path(__file__).parents[2] / "tests"
_PACKAGES = ("numpy", "torch", "triton", "h5py", "safetensors", "scipy", "scikit-image", "monai", "diffusers")
_OURS = ("ours-fp32", "ours-bf16")

Measure = Callable[[Settings, torch.device], Outcome]


def measure(part: str, settings: Settings) -> Outcome:
    """What a part finds; errors as of its bench."""
    device = pick_device(settings.device)
    # Streams and graphs are made on the current device.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        return MEASURES[part](settings, device)


def machine(_: Settings, device: torch.device) -> Outcome:
    """Facts alone: what the other parts' numbers belong to."""
    facts = describe_machine(device)
    on_gpu = device.type == "cuda"
    properties = torch.cuda.get_device_properties(device) if on_gpu else None
    more: dict[str, Fact] = {
        "device": facts["device"],
        "device memory GiB": round(properties.total_memory / 2**30, 1) if properties else None,
        "multiprocessors": properties.multi_processor_count if properties else None,
        "driver": _driver() if on_gpu else None,
        "cuda": facts["cuda"],
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "cpu": facts["cpu"],
        "cores": facts["cores"],
        "memory GiB": facts["memory_gib"],
        "system": facts["system"],
        "python": platform.python_version(),
        **{package: package_version(package) for package in _PACKAGES},
    }
    return Outcome("The machine", more, facts | {"peak_memory_mib": peak_memory_mib()}, ())


def same_masks(settings: Settings, device: torch.device) -> Outcome:
    """Every sampler, prediction type and precision beside the CPU."""
    from training.bench.same_masks import bench_same_masks

    if settings.is_smoke:
        return bench_same_masks(device, samples=2, slices=1, steps=2, samplers=("ddpm",))
    return bench_same_masks(device)


def sampling(settings: Settings, device: torch.device) -> Outcome:
    """16 masks in 10 steps, beside the others."""
    from training.bench.sampling import bench_sampling

    if settings.is_smoke:
        return bench_sampling(PRESETS["tiny"], device, trained=None, samples=2, steps=2, rounds=1, only=_OURS)
    return bench_sampling(PRESETS["paper-128"], device, rounds=20, peak_tflops=settings.peak_tflops)


def many_masks(settings: Settings, device: torch.device) -> Outcome:
    """256 masks in 10 steps, ours alone: others are measured where they are used."""
    from training.bench.sampling import bench_sampling

    if settings.is_smoke:
        return bench_sampling(
            PRESETS["tiny"], device, trained=None, samples=256, steps=1, rounds=1, only=("ours-bf16",)
        )
    peak = settings.peak_tflops
    return bench_sampling(PRESETS["paper-128"], device, trained=None, samples=256, only=_OURS, peak_tflops=peak)


def training(settings: Settings, device: torch.device) -> Outcome:
    """Steps at batch 8, beside the others."""
    from training.bench.training_step import bench_training

    if settings.is_smoke:
        return bench_training(PRESETS["tiny"], device, steps=1, rounds=1, slices=4, only=_OURS)
    return bench_training(PRESETS["paper-128"], device, rounds=10, peak_tflops=settings.peak_tflops)


def evaluation(settings: Settings, device: torch.device) -> Outcome:
    """The validation split's size, raw and post-processed."""
    from training.bench.evaluation import bench_evaluation

    data = None if settings.data is None else Path(settings.data)
    if settings.is_smoke:
        return bench_evaluation(PRESETS["tiny"], device, data=data, slices=4, samples=4, training_steps=3)
    return bench_evaluation(PRESETS["recommended"], device, data=data)  # the targets that are learnt quickest


def waiting(settings: Settings, device: torch.device) -> Outcome:
    """Steps with and without making batches, and where the time goes."""
    from training.bench.waiting import bench_waiting

    if settings.is_smoke:
        return bench_waiting(PRESETS["tiny"], device, steps=2, rounds=1, slices=4)
    return bench_waiting(PRESETS["paper-128"], device)


def memory(settings: Settings, device: torch.device) -> Outcome:
    """What is left behind."""
    from training.bench.memory import bench_memory

    return bench_memory(device, samples=2, steps=2) if settings.is_smoke else bench_memory(device)


def losses(settings: Settings, device: torch.device) -> Outcome:
    """200 steps on both, of the small network, since the CPU takes them too."""
    from training.bench.losses import bench_losses

    if settings.is_smoke:
        return bench_losses(PRESETS["tiny"], device, steps=20, slices=8)
    return bench_losses(PRESETS["demo"].model_copy(update={"image_size": 64}), device)


def device_tests(settings: Settings, device: torch.device) -> Outcome:
    """The tests that are marked ``cuda``, in this process."""
    import pytest

    facts = describe_machine(device)
    tally = _Tally()
    marked = [path for path in sorted(TESTS.rglob("test_*.py")) if "mark.cuda" in path.read_text(encoding="utf-8")]
    # The project's own options name plugins that need not be here; and standard input is the line to the parent, which
    # pytest must leave alone.
    options = [
        "-m",
        "cuda and not slow",
        "-q",
        "-o",
        "addopts=",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "--capture=sys",
    ]
    chosen = marked[-1:] if settings.is_smoke else marked
    code = pytest.main([*options, "--continue-on-collection-errors", *map(str, chosen)], plugins=[tally])
    failed = len(tally.failed)
    ran = tally.passed + failed
    return Outcome(
        "The tests of the device",
        {
            "files": len(chosen),
            "passed": tally.passed,
            "failed": failed,
            "skipped": tally.skipped,
            "exit": int(code),
        },
        facts | {"peak_memory_mib": peak_memory_mib()},
        (),
        gates=(Gate("tests that did not run", 0.0 if ran or device.type == "cpu" else 1.0, 0),),
        notes=tuple(tally.failed),
        findings=(Finding("device-tests", float(failed)),),
    )


MEASURES: Mapping[str, Measure] = {
    "machine": machine,
    "same-masks": same_masks,
    "sampling": sampling,
    "training": training,
    "many-masks": many_masks,
    "evaluation": evaluation,
    "waiting": waiting,
    "memory": memory,
    "losses": losses,
    "device-tests": device_tests,
}


class _Tally:
    """Counts what pytest says of the tests."""

    def __init__(self) -> None:
        self.passed, self.skipped = 0, 0
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        if report.failed:
            reason = str(report.longreprtext).splitlines() or [""]
            self.failed.append(f"{report.nodeid}: {reason[-1]}")
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is a failure too."""
        if report.failed:
            reason = str(report.longreprtext).splitlines() or [""]
            self.failed.append(f"{report.nodeid}: {reason[-1]}")


def _driver() -> str | None:
    """The driver's version, where its tool is."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition("\n")[0] or None
