"""How few network calls are enough?  Samplers and grids against DDIM in 10 steps, on phantoms whose truth is known.

    python tests/benchmarks/study_steps.py demo --cases 300 ddim:trailing:10 dpmpp2m:log-snr:5 dpmpp2m:log-snr:6

Each setting is SAMPLER:GRID:STEPS; the first one is what the others are compared with, case by case on the same noise.
The phantoms are fresh ones (``--seed``), so nothing is chosen on a split that is called test.  GED (U) is against many
experts drawn from the phantom's own distribution, so that its floor is the same small number for all.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from training import load_segmenter
from training.data.phantom import phantom_case
from training.evaluation.statistics import Interval, bootstrap_mean
from training.metrics import compare, empty_share
from training.rng import case_seed
from training.sampling_wish import SamplingWish

TRUTH = 64  # experts per phantom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("settings", nargs="+", metavar="SAMPLER:GRID:STEPS")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=4_177, help="of the phantoms")
    parser.add_argument("--stride", type=int, default=5, help="take every so many phantoms: more patients")
    arguments = parser.parse_args()

    cases = [phantom_case(arguments.stride * index, arguments.seed) for index in range(arguments.cases)]
    patients = [case.slice.patient for case in cases]
    truths = [case.draw_experts(TRUTH, seed=1) for case in cases]
    rows: dict[str, dict[str, np.ndarray]] = {}
    for setting in arguments.settings:
        sampler, grid, steps = setting.split(":")
        segmenter = load_segmenter(arguments.model, wish=SamplingWish(sampler, int(steps), grid))
        begin = time.perf_counter()
        found = []
        for case, truth in zip(cases, truths, strict=True):
            seed = case_seed(0, case.slice.key)
            masks = segmenter.draw(case.slice.image, arguments.samples, seed).masks
            pairs = compare(masks, truth)
            found.append((pairs.ged("U").value, pairs.dice, pairs.sample_diversity, empty_share(masks)))
        seconds = (time.perf_counter() - begin) / len(cases)
        names = ("ged_u", "dice", "diversity", "empty")
        rows[setting] = dict(zip(names, np.array(found).T, strict=True))
        first = rows[arguments.settings[0]]
        scores = {name: bootstrap_mean(values, patients, 0) for name, values in rows[setting].items()}
        apart = bootstrap_mean(rows[setting]["ged_u"] - first["ged_u"], patients, 0)
        calls = segmenter.provenance["network_calls"]
        others = " | ".join(f"{scores[name].mean:.3f}" for name in names[1:])
        difference = f"{apart.mean:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]"
        print(
            f"| {setting} | {calls} | {_shown(scores['ged_u'])} | {difference} | {others} | {seconds:.2f} |", flush=True
        )


def _shown(interval: Interval) -> str:
    return f"{interval.mean:.4f} [{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    main()
