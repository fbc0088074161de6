"""Preference pairs that no phase may train on: what of them copies or gives away what a record may not, in any text of either side."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import polars as pl

from factory.records import MIXED, empty
from factory.reward.contamination import EvaluationIndex
from factory.reward.evaluation_sets import Item, read_sets
from factory.reward_spec import ContaminationSpec
from factory.training.contamination import WHOLE, find_hits, list_trained
from factory.validation.evidence import Evidence
from factory.validation.privacy.pairs import LEAKS, take_sides
from factory.validation.privacy.repetition import find_long_runs

REASONS: Final = ("contaminated", "holdout_overlap", "seed_copy", "canary", "long_run")
"""In the order in which they count.

contaminated: holds a text of an evaluation set, as `reward.contamination` finds it in records. holdout_overlap, seed_copy: an answer with
what it answers is that of an example, as the privacy report finds it; or a response holds the whole question of one without a context, of
eight words at least, that its own prompt does not hold. holdout_overlap is also LONG_RUN words in a row of a held-out example.
canary, long_run: as the privacy report finds them in records; what stands in the pair's own context is no long run.
What the verdict tells by instruction and context alone needs no second look: both sides have those of the chosen, which is accepted.
"""
_BY_LEAK: Final = {"holdout_copies": "holdout_overlap", "seed_copies": "seed_copy", "canaries": "canary", "long_runs": "long_run"}
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
    for split, reason in _BY_SPLIT.items():
        found[reason] |= _find_quoting(evidence, split)
    for _, sides in take_sides(evidence):
        for leak, reason in _BY_LEAK.items():
            found[reason] |= LEAKS[leak](sides)
        found["holdout_overlap"] |= find_long_runs(sides, "holdout")
    return {record_id: reason for reason in reversed(REASONS) for record_id in found[reason]}


def _find_quoting(evidence: Evidence, split: str) -> set[str]:
    """The pairs of which a response holds the whole question of an example of the split that the prompt does not hold.

    Of an example with a context the question alone says little, and to look for both takes time that grows with their length.
    """
    examples = evidence.examples.filter(pl.col("split") == split, pl.col("context").is_null()).select("record_id", "question")
    index = EvaluationIndex([Item(*example) for example in examples.iter_rows()], WHOLE)

    def find(side: str, pairs: pl.DataFrame) -> set[tuple[str, str]]:
        # As an instruction, which stands first, a text of fewer words would count too.
        texts = pl.concat_list(pl.lit(""), pl.col(side).list.eval(pl.element().struct.field("content")))
        rows = pairs.select("record_id", texts=texts, instruction=pl.lit(None, pl.String))
        return {(record_id, hit.place) for record_id, hit, _ in find_hits(index, rows)}

    said = find("chosen", evidence.pairs) | find("rejected", evidence.pairs)
    asked = find("prompt", evidence.pairs.filter(pl.col("record_id").is_in([record_id for record_id, _ in said])))
    return {record_id for record_id, _ in said - asked}
