"""Kills a child at random moments while it saves checkpoints, and looks at what is left each time.

Prints how many of the kills left a newest checkpoint that loads and is no older than what the child had said was saved.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from training.build import build_denoiser
from training.checkpoint import clear_unfinished, load_training_state, save_training_state
from training.model_card import ModelCard, newest_checkpoint
from training.presets import load_config

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
config = load_config("tiny")
model = build_denoiser(config)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
model(torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)).sum().backward()
optimizer.step()
chance = random.Random(0)  # noqa: S311 -- not a secret


def save_for_ever(first, said):
    for step in range(first, 10**8):
        card = ModelCard(name="killed", config=config, parameters=1, step=step, sha256="")
        save_training_state(folder, model, optimizer, card, 2)
        os.write(said, b"%d\n" % step)


survived, newest = 0, 0
for _ in range(kills):
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_for_ever(newest + 1, said)
        finally:
            os._exit(1)
    os.close(said)
    first = os.read(heard, 64)
    time.sleep(chance.random() * 0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    saved = int((first + os.read(heard, 2**20)).split()[-1])
    os.close(heard)
    path = newest_checkpoint(folder)
    card = load_training_state(path, model, optimizer)
    clear_unfinished(folder)
    left = sorted(path.name for path in (folder / "checkpoints").iterdir())
    survived += card.step >= saved and all(not name.startswith(".") for name in left) and len(left) % 2 == 0
    newest = card.step
print(survived)  # noqa: T201
