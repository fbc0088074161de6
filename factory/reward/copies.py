"""Which good candidates are copies: of what models are evaluated on, of what people made, or of a candidate before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import polars as pl

from factory.reward.contamination import EvaluationIndex, Hit
from factory.reward.duplicates import Bands, Groups, Key, KeyIndex, Keys, Match, read_keys
from factory.reward.evaluation_sets import read_sets
from factory.reward.semantic import Embedder, Likeness, Meaning, MeaningIndex
from factory.reward.words import Tokens, normalise, read_tokens
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
    alike = None if spec.semantic is None else _Alike(spec.semantic)
    bands = Bands(spec.near_duplicate)
    for people in seeds.iter_slices(_BATCH):
        bands.add(_read_keys(people, "question"))
    hits: dict[int, Hit] = {}
    for start, batch in zip(count(step=_BATCH), good.iter_slices(_BATCH)):
        keys, found = _read_batch(batch, sets)
        bands.add(keys)
        hits |= {start + number: hit for number, hit in enumerate(found) if hit}
    groups = bands.group()
    near = KeyIndex(spec.near_duplicate, _ORIGINS, groups)
    for start, people in zip(count(step=_BATCH), seeds.iter_slices(_BATCH)):
        for number, own in _read_grouped(people, "question", groups, start).items():
            near.add(start + number, people["record_id"][number], people["split"][number], own)
        if alike:
            alike.add_people(people)
    units: dict[str, list[str | int | None]] = {}
    for start, batch in zip(count(step=_BATCH), good.iter_slices(_BATCH)):
        place = seeds.height + start
        grouped = _read_grouped(batch, "instruction", groups, place)
        if alike:
            # By far the dearest step, so only for what no record before this batch answers for.
            copied = {number for number, key in grouped.items() if near.find(place + number, key)}
            alike.read(batch, [number not in copied and start + number not in hits for number in range(batch.height)])
        rows = batch.select("row", "record_id", "instruction_id", "seed").iter_rows()
        for number, (row, record_id, *unit) in enumerate(rows):
            key = grouped.get(number)
            if hit := hits.get(start + number):
                yield row, "contaminated", hit.place, hit.words
            elif key and (match := near.find(place + number, key)):
                if unit[0] is None or units.get(match.record_id) != unit:
                    yield row, _NEAR_REASONS[match.origin][not match.exact], match.record_id, _describe(match)
            elif alike and (likeness := alike.find(number)):
                yield row, _SEMANTIC_REASONS[likeness.origin], likeness.record_id, f"semantic {likeness.cosine:.2f}"
            else:
                if unit[0] is not None:
                    units[record_id] = unit
                if key:
                    near.add(place + number, record_id, _BEFORE, key)
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

    def add_people(self, people: pl.DataFrame) -> None:
        vectors = self._embedder.embed(people["question"].to_list())
        for record_id, split, vector, context in zip(people["record_id"], people["split"], vectors, people["context"], strict=True):
            self._index.add(record_id, split, Meaning(vector, normalise(context or "")))

    def read(self, batch: pl.DataFrame, new: Sequence[bool]) -> None:
        """Begins a batch; only what is `new` is embedded."""
        vectors = iter(self._embedder.embed(batch["instruction"].filter(new).to_list()))
        contexts = [normalise(context or "") for context in batch["context"]]
        self._meanings = [Meaning(next(vectors) if is_new else None, context) for context, is_new in zip(contexts, new, strict=True)]
        self._before, self._start = self._index.search(self._meanings), len(self._index)

    def find(self, number: int) -> Likeness | None:
        """What the batch's record of this number repeats, added before this batch or since."""
        found = [self._before[number], *self._index.search([self._meanings[number]], self._start)]
        return min((each for each in found if each), key=lambda each: (_ORIGINS.index(each.origin), -each.cosine), default=None)

    def add(self, record_id: str, number: int) -> None:
        self._index.add(record_id, _BEFORE, self._meanings[number])


def _describe(match: Match) -> str:
    return "exact" if match.exact else f"near {match.similarity:.2f}"


class _Texts:
    """The texts of a batch, each read once however many records hold it; in two languages it is two."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, text: str | None, language: str) -> int:
        return self._numbers.setdefault((text or "", language), len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def read(self) -> tuple[Tokens, list[str]]:
        """The tokens and the language of each text."""
        return read_tokens([text for text, _ in self._numbers]), [language for _, language in self._numbers]


def _read_keys(frame: pl.DataFrame, asked: str) -> Keys:
    texts = _Texts()
    rows = frame.select(asked, "context", "language").iter_rows()
    records = [(texts.number(text, language), texts.number(context, language)) for text, context, language in rows]
    return read_keys(*texts.read(), records)


def _read_grouped(frame: pl.DataFrame, asked: str, groups: Groups, start: int) -> dict[int, Key]:
    """The keys of those rows that may be like others, by their numbers in the frame, whose first is record `start` of the groups."""
    grouped = groups.find_grouped(start, frame.height)
    return dict(zip(grouped, _read_keys(frame[grouped], asked), strict=True)) if grouped else {}


def _read_batch(batch: pl.DataFrame, sets: EvaluationIndex) -> tuple[Keys, list[Hit | None]]:
    """What the rows ask, and what they hold of evaluation sets."""
    texts = _Texts()
    rows = batch.select("instruction", "context", "language").iter_rows()
    records = [(texts.number(text, language), texts.number(context, language)) for text, context, language in rows]
    asked = len(texts)
    others = batch.select("response", "turns", "language").iter_rows()
    parts = [
        (*record, texts.number(response, language), *(texts.number(turn["content"], language) for turn in turns or ()))
        for record, (response, turns, language) in zip(records, others, strict=True)
    ]
    tokens, languages = texts.read()
    return read_keys(tokens.head(asked), languages[:asked], records), sets.find(parts, tokens)
