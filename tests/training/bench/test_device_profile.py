"""What a device was busy with."""

import torch

from training.bench.device_profile import SHOWN, Kernel, Profile, covered, profiled

CPU = torch.device("cpu")


def test_times_that_overlap_count_once():
    assert covered([(0, 2), (1, 3), (5, 6), (5.5, 5.7)]) == 4
    assert covered([(0, 10), (1, 2), (3, 4)]) == 10
    assert covered([]) == 0


def test_a_device_that_is_busy_for_a_quarter_of_the_time_is_idle_for_the_rest():
    assert Profile(4.0, 1.0, ()).idle_percent == 75
    assert Profile(4.0, 4.5, ()).idle_percent == 0  # clocks differ a little
    assert Profile(4.0, None, ()).idle_percent is None


def test_the_longest_kernels_are_shown():
    kernels = tuple(Kernel("k" * 80 + str(number), float(10 - number), 1) for number in range(SHOWN + 2))
    rows = Profile(100.0, None, kernels).rows()
    assert len(rows) == SHOWN
    assert len(rows[0].name) == 60
    assert rows[0].facts["% of all"] > rows[-1].facts["% of all"]
    assert [row.name for row in Profile(1.0, 0.0, ()).rows()] == ["nothing"]


def test_the_operations_of_a_cpu_are_seen():
    a = torch.ones(8, 8)
    seen = profiled(lambda: [a @ a for _ in range(5)], CPU)
    assert seen.busy is None
    assert seen.seconds > 0
    assert next(kernel.calls for kernel in seen.kernels if kernel.name == "aten::mm") == 5
