"""Which good candidates are copies: of what models are evaluated on, of what people made, or of a candidate before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from factory.reward.contamination import EvaluationIndex
from factory.reward.duplicates import Key, KeyIndex, Match, read_key
from factory.reward.evaluation_sets import read_sets
from factory.reward.semantic import Embedder, Likeness, Meaning, MeaningIndex
from factory.reward_spec import RewardSpec, SemanticSpec

COPY_REASONS = ("contaminated", "holdout_overlap", "seed_copy", "duplicate", "near_duplicate", "semantic_duplicate")
"""contaminated: holds a text of an evaluation set of `reward.contamination`.
holdout_overlap, seed_copy: asks the same or nearly the same as an example made by people, held out or shown to the teacher.
duplicate, near_duplicate, semantic_duplicate: as a candidate that was accepted before it, in the same words, nearly the same or others.
"""
_BEFORE: Final = "before"
_ORIGINS: Final = ("holdout", "seed", _BEFORE)
_NEAR_REASONS: Final = {
    "holdout": ("holdout_overlap", "holdout_overlap"),
    "seed": ("seed_copy", "seed_copy"),
    _BEFORE: ("duplicate", "near_duplicate"),
}
_SEMANTIC_REASONS: Final = {"holdout": "holdout_overlap", "seed": "seed_copy", _BEFORE: "semantic_duplicate"}
_BATCH: Final = 1024
"""Records that are read at a time; it bounds memory and changes no verdict."""

Copy = tuple[int, str, str, str]
"""Row, reason, id of what it copies, and how it matched: "exact", "near 0.93", "semantic 0.97", or the words of an evaluation set."""


def find_copies(good: pl.DataFrame, seeds: pl.DataFrame, spec: RewardSpec) -> Iterator[Copy]:
    """Each row of `good` (SCORED columns and `row`, in the order in which records are taken) that is a copy.

    `seeds` are SEED rows with an answer. Only what is no copy pushes out a copy of itself. What comes first counts: an evaluation set, an
    example that is held out, a seed, a candidate; of those an exact copy, a near one, one in other words; the nearest; the first.
    Responses to one instruction of one unit, where the policy keeps them all, are no copies of each other.
    Raises InputFaults for an evaluation set that cannot be read, FactoryError for an embedder that cannot be opened.
    """
    sets = EvaluationIndex(read_sets(spec.contamination), spec.contamination.ngram)
    near = KeyIndex(spec.near_duplicate, _ORIGINS)
    alike = None if spec.semantic is None else _Alike(spec.semantic)
    for people in seeds.iter_slices(_BATCH):
        keys = _read_keys(people, "question")
        for record_id, split, key, signature in zip(people["record_id"], people["split"], keys, near.sign(keys), strict=True):
            near.add(record_id, split, key, signature)
        if alike:
            alike.add_people(people, keys)
    units: dict[str, list[str | int | None]] = {}
    for batch in good.iter_slices(_BATCH):
        keys = _read_keys(batch, "instruction")
        signatures = near.sign(keys)
        hits = sets.find([_list_parts(*parts) for parts in batch.select("instruction", "context", "response", "turns").iter_rows()])
        if alike:
            # By far the dearest step, so only for what no record before this batch answers for.
            new = [hit is None and near.find(key, signature) is None for hit, key, signature in zip(hits, keys, signatures, strict=True)]
            alike.read(batch["instruction"], keys, new)
        places = batch.select("row", "record_id", "instruction_id", "seed").iter_rows()
        for number, ((row, record_id, *unit), hit, key, signature) in enumerate(zip(places, hits, keys, signatures, strict=True)):
            if hit:
                yield row, "contaminated", hit.place, hit.words
            elif match := near.find(key, signature):
                if unit[0] is None or units.get(match.record_id) != unit:
                    yield row, _NEAR_REASONS[match.origin][not match.exact], match.record_id, _describe(match)
            elif alike and (likeness := alike.find(number)):
                yield row, _SEMANTIC_REASONS[likeness.origin], likeness.record_id, f"semantic {likeness.cosine:.2f}"
            else:
                if unit[0] is not None:
                    units[record_id] = unit
                near.add(record_id, _BEFORE, key, signature)
                if alike:
                    alike.add(record_id, number)


class _Alike:
    """What asks the same in other words, batch by batch: a batch is embedded and compared with all before it at once."""

    def __init__(self, spec: SemanticSpec) -> None:
        self._embedder = Embedder(spec.embedder)
        self._index = MeaningIndex(spec.similarity, _ORIGINS)
        self._meanings: list[Meaning] = []
        self._before: list[Likeness | None] = []
        self._start = 0

    def add_people(self, people: pl.DataFrame, keys: Sequence[Key]) -> None:
        vectors = self._embedder.embed(people["question"].to_list())
        for record_id, split, vector, key in zip(people["record_id"], people["split"], vectors, keys, strict=True):
            self._index.add(record_id, split, Meaning(vector, key.text[1]))

    def read(self, instructions: Iterable[str], keys: Sequence[Key], new: Sequence[bool]) -> None:
        """Begins a batch; only what is `new` is embedded."""
        vectors = iter(self._embedder.embed([text for text, is_new in zip(instructions, new, strict=True) if is_new]))
        self._meanings = [Meaning(next(vectors) if is_new else None, key.text[1]) for key, is_new in zip(keys, new, strict=True)]
        self._before, self._start = self._index.search(self._meanings), len(self._index)

    def find(self, number: int) -> Likeness | None:
        """What the batch's record of this number repeats, added before this batch or since."""
        found = [self._before[number], *self._index.search([self._meanings[number]], self._start)]
        return min((each for each in found if each), key=lambda each: (_ORIGINS.index(each.origin), -each.cosine), default=None)

    def add(self, record_id: str, number: int) -> None:
        self._index.add(record_id, _BEFORE, self._meanings[number])


def _list_parts(instruction: str, context: str | None, response: str, turns: Sequence[Mapping[str, str]] | None) -> tuple[str | None, ...]:
    return instruction, context, response, *(turn["content"] for turn in turns or ())


def _describe(match: Match) -> str:
    return "exact" if match.exact else f"near {match.similarity:.2f}"


def _read_keys(frame: pl.DataFrame, asked: str) -> list[Key]:
    return [read_key(*row) for row in frame.select(asked, "context", "language").iter_rows()]
