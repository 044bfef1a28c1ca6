"""All scores from their definitions: plain Python over single pixels and single pairs, nothing shared with the package.

A mask is a list of pixels, each 0 or 1.  Sums are of fractions where they can be, so that no order of adding
matters.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations


def scores(samples, annotations):
    """By name, of two sequences of (H, W) bool arrays.  None where undefined."""
    s = [[int(pixel) for row in mask for pixel in row] for mask in samples]
    y = [[int(pixel) for row in mask for pixel in row] for mask in annotations]
    cross = average(distance(a, b) for a in s for b in y)
    within_s, within_y = (average(distance(a, b) for a in m for b in m) for m in (s, y))
    apart_s, apart_y = diversity(s), diversity(y)
    sensitivity, closest, agreement = cimd(s, y)
    total = sensitivity + closest + agreement
    found = {
        "ged_v": 2 * cross - within_s - within_y,
        "ged_u": None if apart_s is None else 2 * cross - apart_s - within_y,
        "ged_cross": cross,
        "ged_samples": within_s,
        "ged_experts": within_y,
        "dice": average(dice(a, b) for a in s for b in y),
        "iou": average(1 - distance(a, b) for a in s for b in y),
        "soft_dice": average(dice(above(s, tau), above(y, tau)) for tau in (1, 3, 5, 7, 9)),
        "consensus_dice": dice(majority(s), majority(y)),
        "hm_iou": matched(s, y),
        "d_max": closest,
        "diversity_model": apart_s,
        "diversity_experts": apart_y,
        "empty_model": average(not any(mask) for mask in s),
        "empty_experts": average(not any(mask) for mask in y),
        "presence_error": abs(average(any(m) for m in s) - average(any(m) for m in y)),
        "presence_brier": average((average(any(m) for m in s) - any(expert)) ** 2 for expert in y),
        "area_crps": average(crps([sum(mask) for mask in s], sum(expert)) for expert in y),
        "ncc": ncc(s, y),
        "ece": ece(s, y, everywhere(s)),
        "ece_union": ece(s, y, union(s, y)),
        "brier": brier(s, y, everywhere(s)),
        "brier_union": brier(s, y, union(s, y)),
        "cimd_sc": sensitivity,
        "cimd_da": agreement,
        "cimd_ci": 3 * sensitivity * closest * agreement / total if total else 0,
    }
    return {name: None if value is None else float(value) for name, value in found.items()}


def average(values):
    values = [value if isinstance(value, float) else Fraction(value) for value in values]
    return sum(values) / len(values)


def distance(a, b):
    shared, joint = sum(p and q for p, q in zip(a, b, strict=True)), sum(p or q for p, q in zip(a, b, strict=True))
    return 1 - Fraction(shared, joint) if joint else Fraction(0)


def dice(a, b):
    shared = sum(p and q for p, q in zip(a, b, strict=True))
    return Fraction(2 * shared, sum(a) + sum(b)) if sum(a) + sum(b) else Fraction(1)


def diversity(masks):
    pairs = [(i, j) for i in range(len(masks)) for j in range(len(masks)) if i != j]
    return average(distance(masks[i], masks[j]) for i, j in pairs) if pairs else None


def share(masks, pixel):
    return Fraction(sum(mask[pixel] for mask in masks), len(masks))


def above(masks, tenths):
    return [int(share(masks, p) > Fraction(tenths, 10)) for p in range(len(masks[0]))]


def majority(masks):
    return [int(2 * sum(mask[p] for mask in masks) > len(masks)) for p in range(len(masks[0]))]


def matched(s, y):
    """Optimal transport between the two sets: the best order of the copies, by trying them or, if many, by steps."""
    size = math.lcm(len(s), len(y))
    rows, columns = s * (size // len(s)), y * (size // len(y))
    gain = [[1 - distance(a, b) for b in columns] for a in rows]
    if size <= 5:
        return max(average(gain[i][j] for i, j in enumerate(order)) for order in permutations(range(size)))
    return assigned(gain) / size


def assigned(gain):
    """Largest sum of a one-to-one assignment, by shortest augmenting paths with exact potentials."""
    size = len(gain)
    owner, u, v = [None] * size, [Fraction(0)] * size, [Fraction(0)] * size
    for start in range(size):
        slack, came_from, done = [None] * size, [None] * size, [False] * size
        row, column = start, None
        reached = [start]
        while True:
            for j in range(size):
                if not done[j]:
                    cost = -gain[row][j] - u[row] - v[j]
                    if slack[j] is None or cost < slack[j]:
                        slack[j], came_from[j] = cost, column
            step, nearest = min((slack[j], j) for j in range(size) if not done[j])
            for i in reached:
                u[i] += step
            for j in range(size):
                if done[j]:
                    v[j] -= step
                else:
                    slack[j] -= step
            column = nearest
            done[column] = True
            if owner[column] is None:
                break
            row = owner[column]
            reached.append(row)
        while column is not None:
            before = came_from[column]
            owner[column] = start if before is None else owner[before]
            column = before
    return sum(gain[owner[j]][j] for j in range(size))


def crps(areas, area):
    """The integral over x of (share of areas <= x, less 1 if the expert's is <= x) squared."""
    total = Fraction(0)
    for x in range(max([*areas, area])):
        below = Fraction(sum(a <= x for a in areas), len(areas))
        total += (below - (area <= x)) ** 2
    return total


def ncc(s, y):
    pixels = range(len(s[0]))

    def cross_entropy(a, b):
        return -a * math.log(b + 1e-8) - (1 - a) * math.log(1 - b + 1e-8)

    within = [average(cross_entropy(float(share(s, p)), mask[p]) for mask in s) for p in pixels]
    values = []
    for expert in y:
        across = [average(cross_entropy(expert[p], mask[p]) for mask in s) for p in pixels]
        # A map of as many different values as pixels' states; constant up to rounding is constant.
        if any(max(m) - min(m) < 1e-6 for m in (within, across)):
            return None
        values.append(correlation(within, across))
    return average(values)


def correlation(a, b):
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    moment = math.fsum((x - mean_a) * (z - mean_b) for x, z in zip(a, b, strict=True))
    return moment / math.sqrt(math.fsum((x - mean_a) ** 2 for x in a) * math.fsum((z - mean_b) ** 2 for z in b))


def everywhere(s):
    return list(range(len(s[0])))


def union(s, y):
    return [p for p in range(len(s[0])) if any(mask[p] for mask in s + y)]


def ece(s, y, region):
    if not region:
        return 0
    total = Fraction(0)
    for b in range(10):
        low, high = Fraction(b, 10), Fraction(b + 1, 10)
        members = [p for p in region if low <= share(s, p) < high or (b == 9 and share(s, p) == 1)]
        if members:
            gap = average(share(s, p) for p in members) - average(share(y, p) for p in members)
            total += Fraction(len(members), len(region)) * abs(gap)
    return total


def brier(s, y, region):
    return average((share(s, p) - expert[p]) ** 2 for p in region for expert in y) if region else 0


def cimd(s, y):
    marked = [p for p in range(len(y[0])) if any(expert[p] for expert in y)]
    sensitivity = average(any(mask[p] for mask in s) for p in marked) if marked else Fraction(1)
    closest = average(max(dice(mask, expert) for mask in s) for expert in y)
    (low_s, high_s), (low_y, high_y) = (
        (min(apart), max(apart)) for apart in ([distance(a, b) for a in m for b in m] for m in (s, y))
    )
    return sensitivity, closest, 1 - (abs(high_s - high_y) + abs(low_s - low_y)) / 2
