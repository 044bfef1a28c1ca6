"""Whether a way to draw that somebody may have edited is one that there is; torch-free."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any, get_args

from pydantic import ValidationError

from training.config import PrecisionName, SamplingConfig
from training.sampling_wish import SamplingWish

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def possible_wish(wish: SamplingWish) -> tuple[SamplingWish, list[str]]:
    """The same wish, with its impossible fields as they are by themselves; and those fields, one line each."""
    remarks, plain = [], SamplingWish()
    for field in fields(wish):
        name, value = field.name, getattr(wish, field.name)
        if value is not None and (why := _why_not(name, value, wish.sampler)):
            remarks.append(f"{name} {_shown(value)}: {why}")
            wish = replace(wish, **{name: getattr(plain, name)})
    return wish, remarks


def possible_device(device: str) -> tuple[str, list[str]]:
    """The same device, or "auto" where it is no name of one; and why, in one line."""
    if _DEVICE.fullmatch(device):
        return device, []
    return "auto", [f"device {_shown(device)}: auto, cpu, cuda or cuda:N"]


def _why_not(name: str, value: Any, sampler: str | None) -> str:
    """What is wrong with a field, or ""."""
    if name == "precision":
        names = get_args(PrecisionName)
        return "" if value in names else f"one of {', '.join(names)}"
    # "ddim" is the only one that reads eta; a model of which it is not the own one tells when it is to draw.
    section = {name: value} | ({"sampler": sampler or "ddim"} if name == "eta" else {})
    try:
        SamplingConfig.model_validate(section)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ").lower()
    return ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]} ..."
