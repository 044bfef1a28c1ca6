"""Where it was measured."""

import json

import torch

from training.bench.machine import describe_machine
from training.machine import peak_memory_mib


def test_the_machine_is_described_in_json_values():
    facts = describe_machine(torch.device("cpu"))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["device"] == "cpu"
    assert facts["cpu"]
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cuda"] is None


def test_the_peak_of_memory_does_not_fall():
    before = peak_memory_mib()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    with_block = peak_memory_mib()
    del block
    assert peak_memory_mib() >= with_block >= before
    assert with_block > 64
