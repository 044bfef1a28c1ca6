"""A check whose parts are measured in this process, at tiny sizes."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from training.gpu_check import check, command, measuring, part_process
from training.gpu_check.parts import Part
from training.gpu_check.settings import Settings


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For all tests here."""


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs the command on the CPU at tiny sizes: its exit code, and the page that it wrote."""

    def inline(part: Part, settings: Settings, seconds: float) -> Mapping[str, Any]:
        request = json.dumps({"part": part.name, "settings": settings.to_json()})
        answer: Mapping[str, Any] = json.loads(part_process.answer(request.encode()))
        return answer

    def run(*arguments: str) -> tuple[int, str]:
        code = command.main([str(tmp_path), "--device", "cpu", "--smoke", *arguments])
        page = tmp_path / "results-gpu.md"
        return code, page.read_text(encoding="utf-8") if page.is_file() else ""

    monkeypatch.setattr(command, "run_check", partial(check.run_check, runner=inline))
    # Tests within a test are run in a process of their own, elsewhere.
    monkeypatch.setattr(measuring, "MEASURES", {**measuring.MEASURES, "device-tests": measuring.machine})
    return run
