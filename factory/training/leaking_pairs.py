"""Preference pairs that no phase may train on: what of them copies or gives away what a record may not, in any text of either side."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from factory.records import MIXED, empty
from factory.reward.contamination import EvaluationIndex
from factory.reward.evaluation_sets import read_sets
from factory.reward_spec import ContaminationSpec
from factory.training.contamination import find_hits, list_trained
from factory.training.quoted_questions import find_quoting
from factory.validation.evidence import Evidence
from factory.validation.privacy.copies import find_copies_in_context
from factory.validation.privacy.pairs import LEAKS, take_sides
from factory.validation.privacy.repetition import find_long_runs

REASONS: Final = ("contaminated", "holdout_overlap", "seed_copy", "canary", "long_run")
"""In the order in which they count.

contaminated: holds a text of an evaluation set, as `reward.contamination` finds it in records. holdout_overlap, seed_copy: an answer with
what it answers, and where the example has a context with that, is the example; or a response quotes its whole question
(factory.training.quoted_questions). holdout_overlap is also LONG_RUN words in a row of a held-out example.
canary, long_run: as the privacy report finds them in records; what stands in the pair's own context is no long run.
What the verdict tells by instruction and context alone needs no second look: both sides have those of the chosen, which is accepted.
"""
_BY_LEAK: Final = {"canaries": "canary", "long_runs": "long_run"}
_BY_SPLIT: Final = {"holdout": "holdout_overlap", "seed": "seed_copy"}


def find_leaking(evidence: Evidence, contamination: ContaminationSpec) -> dict[str, str]:
    """The pairs of `evidence` that are not to be trained on, by record id, each with the first of REASONS that holds.

    Raises InputFaults for an evaluation set that cannot be read.
    """
    if evidence.pairs.is_empty():
        return {}
    found: defaultdict[str, set[str]] = defaultdict(set)
    sets = EvaluationIndex(read_sets(contamination), contamination.ngram)
    found["contaminated"] = {record_id for record_id, *_ in find_hits(sets, list_trained(empty(MIXED), evidence.pairs))}
    for split, record_ids in find_quoting(evidence).items():
        found[_BY_SPLIT[split]] |= record_ids
    for _, sides in take_sides(evidence):
        for split, reason in _BY_SPLIT.items():
            found[reason] |= find_copies_in_context(sides, split)
        for leak, reason in _BY_LEAK.items():
            found[reason] |= LEAKS[leak](sides)
        found["holdout_overlap"] |= find_long_runs(sides, "holdout")
    return {record_id: reason for reason in reversed(REASONS) for record_id in found[reason]}
