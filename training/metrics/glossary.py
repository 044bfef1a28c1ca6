"""Every score that this program gives, by name: what it is called, what it says, and which way is better.

One table for all who show scores: the command line, the report, the viewer and the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: "experts": best where it equals the same number of the experts; "none": says something, but is no mark.
Better = Literal["lower", "higher", "experts", "none"]


@dataclass(frozen=True)
class Score:
    """One score of a case: a number for a set of n drawn masks beside the masks of K experts.

    Parameters
    ----------
    name : key in files
    label : heading in tables and figures
    meaning : what it says, in a radiologist's words
    better : which way is better
    changes_with_n : whether its mean changes with the number of masks by itself, up or down, so that only equal
        n compare
    title : heading on the screen: a plain word first, then the term of the literature; the label if left out
    definition : how it is computed, for who wants to know
    """

    name: str
    label: str
    meaning: str
    better: Better
    changes_with_n: bool = False
    title: str = ""
    definition: str = ""

    @property
    def heading(self) -> str:
        """What stands on the screen."""
        return self.title or self.label

    @property
    def about(self) -> str:
        """What it says, and how it is computed."""
        return f"{self.meaning} {self.definition}".rstrip()


_SCORES = (
    Score(
        "ged_v",
        "GED (V)",
        "How far the drawn masks, as a set, are from the experts', as papers print it: higher for few masks.",
        "lower",
        True,
        title="Distance, GED (V)",
        definition="2 E d(s, y) − E d(s, s') − E d(y, y') with d = 1 − IoU; V keeps each mask's pair with itself.",
    ),
    Score(
        "ged_u",
        "GED (U)",
        "The same distance without the penalty for drawing few masks; may fall a little below 0.",
        "lower",
        title="For any n, GED (U)",
        definition="As GED (V), but without the pairs of a drawn mask with itself; needs two masks.",
    ),
    Score(
        "ged_cross",
        "E d(s, y)",
        "How far a drawn mask is from an expert's, on average: 0 is the same outline, 1 is nothing in common.",
        "lower",
        title="Samples to experts",
        definition="E d(s, y): the mean of 1 − IoU over all pairs of a drawn mask and an expert's.",
    ),
    Score(
        "ged_samples",
        "E d(s, s')",
        "How far two drawn masks are from each other, a mask beside itself included.",
        "none",
        True,
        title="Among samples",
        definition="E d(s, s'): the mean of 1 − IoU over all pairs of drawn masks.",
    ),
    Score(
        "ged_experts",
        "E d(y, y')",
        "How far two experts are from each other, each expert with the same expert included.",
        "none",
        title="Among experts",
        definition="E d(y, y'): the mean of 1 − IoU over all pairs of experts; two empty masks are at 0.",
    ),
    Score(
        "dice",
        "dice",
        "How much a drawn mask and an expert's overlap, averaged over all pairs; two empty masks overlap fully.",
        "higher",
        title="Overlap, dice",
        definition="2 |s ∩ y| / (|s| + |y|). Drawing the experts' mean again and again can beat drawing every opinion.",
    ),
    Score(
        "iou",
        "IoU",
        "The area that a drawn mask and an expert's share, out of what either covers, averaged over all pairs.",
        "higher",
        title="Overlap, IoU",
        definition="|s ∩ y| / |s ∪ y|, 1 for two empty masks.",
    ),
    Score(
        "soft_dice",
        "soft dice",
        "How much the map of how many masks mark a pixel overlaps with the experts' map, at five levels of agreement.",
        "higher",
        True,
        title="Votes, soft dice",
        definition="The mean dice of the two maps cut at 0.1, 0.3, 0.5, 0.7 and 0.9.",
    ),
    Score(
        "consensus_dice",
        "consensus dice",
        "How much the region that most masks mark overlaps with the one that most experts mark.",
        "higher",
        True,
        title="Majorities, consensus dice",
        definition="Dice of the two regions; half of the masks are no majority.",
    ),
    Score(
        "hm_iou",
        "Hungarian IoU",
        "The overlap of the best one-to-one pairing: whether each opinion is drawn as often as it is held.",
        "higher",
        True,
        title="Best pairs, Hungarian IoU",
        definition="The mean IoU of the one-to-one pairing of masks and experts that makes it largest.",
    ),
    Score(
        "d_max",
        "D_max",
        "For each expert, the overlap with the drawn mask that comes closest: whether his opinion was drawn at all.",
        "higher",
        True,
    ),
    Score(
        "diversity_model",
        "diversity, model",
        "How far two different drawn masks are from each other.",
        "experts",
        title="Diversity of samples",
        definition="The mean of 1 − IoU over all pairs of different drawn masks.",
    ),
    Score(
        "diversity_experts",
        "diversity, experts",
        "How far two different experts are from each other.",
        "none",
        title="Diversity of experts",
        definition="The mean of 1 − IoU over all pairs of different experts; undefined for one.",
    ),
    Score(
        "empty_model",
        "empty, model",
        'Share of the drawn masks that say "no lesion here".',
        "experts",
        title="Share empty",
    ),
    Score(
        "empty_experts",
        "empty, experts",
        'Share of the experts who say "no lesion here".',
        "none",
        title="Share empty, experts",
    ),
    Score(
        "presence_error",
        "presence error",
        "How far the share of masks that show a lesion is from the share of experts who see one.",
        "lower",
        True,
        title="Error of presence",
        definition="The absolute difference of the two shares; 0 is best.",
    ),
    Score(
        "presence_brier",
        "presence Brier",
        "How well the share of masks that show a lesion foretells whether an expert sees one.",
        "lower",
        True,
    ),
    Score(
        "area_crps",
        "area CRPS",
        "How far the drawn areas, as a range of opinions, are from an expert's area, in pixels.",
        "lower",
        True,
    ),
    Score(
        "ncc",
        "S_NCC",
        "Whether the masks disagree with each other at the places where they disagree with the experts.",
        "higher",
        True,
    ),
    Score(
        "ece",
        "ECE",
        "Of the pixels that 30 % of the masks mark, do 30 % of the experts? The mean gap, over the whole image.",
        "lower",
        True,
    ),
    Score(
        "ece_union",
        "ECE, union",
        "The same gap over the pixels that anybody marks, without the empty background.",
        "lower",
        True,
    ),
    Score(
        "brier",
        "Brier",
        "How well the share of masks at a pixel foretells whether an expert marks it, over the whole image.",
        "lower",
        True,
    ),
    Score(
        "brier_union",
        "Brier, union",
        "The same over the pixels that anybody marks, without the empty background.",
        "lower",
        True,
    ),
    Score("cimd_sc", "S_c (CIMD)", "How much of what any expert marks is marked by at least one mask.", "higher", True),
    Score(
        "cimd_da",
        "D_a (CIMD)",
        "Whether the two most different masks differ as much as the two most different experts.",
        "higher",
        True,
    ),
    Score(
        "cimd_ci",
        "CI (CIMD)",
        "S_c, D_max and D_a in one number, for comparison with papers that print it.",
        "higher",
        True,
    ),
)

#: By name, in the order of every table.
SCORES: Mapping[str, Score] = {score.name: score for score in _SCORES}
NAMES = tuple(SCORES)
