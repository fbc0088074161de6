"""Which evaluation problems stand in what is trained on: found before any model is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final

import polars as pl

from factory.faults import FactoryError
from factory.records import TURNS
from factory.reward.contamination import FREQUENT, EvaluationIndex, Hit
from factory.reward.copies import find_copies
from factory.reward.evaluation_sets import Item
from factory.reward.rating import user_text
from factory.reward.verifiers import Asked, read_problem
from factory.reward.words import read_tokens
from factory.reward_spec import ContaminationSpec, RewardSpec
from factory.training.answer import Problem

CONTAMINATED: Final[dict[str, Any]] = {
    "problem_id": pl.String,
    "leaf": pl.String,
    "origin": pl.String,  # "holdout" or "fresh"
    "reason": pl.String,
    "instruction": pl.String,
    "matched_id": pl.String,  # of the record or pair that is trained on
    "matched_by": pl.String,  # "exact", "near 0.93", "semantic 0.97", "same problem", or the words that both hold
}
"""A problem that is left out of the evaluation.

asked: a record asks the same or nearly the same, the instruction with its context, told as the verdict tells copies of seeds; or it asks
the same problem in other words, as the problem's verifier reads both.
held: the whole problem, of eight words at least, stands in a text that is trained on.
words: of a problem without context, `reward.contamination.ngram` words in a row stand in such a text. Those in over ten problems, or in
records that ask over ten different things, are wording of the task and tell nothing (GPT-3's rule, as in EvaluationIndex).
"""

TRAINED: Final[dict[str, Any]] = {
    "record_id": pl.String,
    "language": pl.String,
    "instruction": pl.String,
    "context": pl.String,
    "texts": pl.List(pl.String),  # the instruction first, and all others that are read with it
}
"""A record, or a preference pair, by its texts."""

WHOLE: Final = 1_000_000
"""Words in a row that no text has: then each is found where it stands whole."""
_BATCH: Final = 1024


def list_trained(mix: pl.DataFrame, pairs: pl.DataFrame | None = None) -> pl.DataFrame:
    """All texts that training may read, as TRAINED rows: of MIXED rows, and of PREFERENCE rows both sides."""
    contents = pl.element().struct.field("content")
    own = pl.concat_list("instruction", "context", "response")
    rows = mix.with_columns(texts=pl.concat_list(own, pl.col("turns").list.eval(contents).fill_null([]))).select(list(TRAINED))
    if pairs is None:
        return rows
    asked = pl.col("prompt").list.last().struct.field("content")
    sides = pl.concat_list("prompt", "chosen", "rejected").list.eval(contents)
    paired = pairs.with_columns(instruction=asked, context=pl.lit(None, pl.String), texts=pl.concat_list(asked, sides))
    return pl.concat([rows, paired.select(list(TRAINED))])


def find_hits(index: EvaluationIndex, trained: pl.DataFrame) -> Iterator[tuple[str, Hit, str]]:
    """Each of the `trained` (TRAINED rows) that holds a text of the index: its id, the first such text, and what it asks."""
    for batch in trained.iter_slices(_BATCH):
        numbers: dict[str, int] = {}
        records = [[numbers.setdefault(text or "", len(numbers)) for text in row] for row in batch["texts"]]
        hits = index.find(records, read_tokens([*numbers]))
        for record_id, instruction, hit in zip(batch["record_id"], batch["instruction"], hits, strict=True):
            if hit:
                yield record_id, hit, instruction or ""


def find_contaminated(problems: Sequence[Problem], trained: pl.DataFrame, spec: RewardSpec) -> pl.DataFrame:
    """The problems that stand in `trained` (TRAINED rows), as CONTAMINATED rows in their order, each with the first reason that holds.

    Raises FactoryError where the embedder of `reward.semantic` is given and cannot be opened.
    """
    asked = {**dict(_find_reworded(problems, trained)), **dict(_find_asked(problems, trained, spec))}
    found = {at: ("asked", *matched) for at, matched in asked.items()}
    for reason, ngram in (("held", WHOLE), ("words", spec.contamination.ngram)):
        texts = {
            at: problem.instruction if problem.context is None else user_text(problem.instruction, problem.context)
            for at, problem in enumerate(problems)
            if reason == "held" or problem.context is None
        }
        found |= {at: (reason, *matched) for at, matched in _find_held(texts, texts.keys() - found.keys(), trained, ngram)}
    rows = [(problems[at], *found[at]) for at in sorted(found)]
    return pl.DataFrame(
        [(each.problem_id, each.leaf, each.origin, reason, each.instruction, *matched) for each, reason, *matched in rows],
        schema=CONTAMINATED,
        orient="row",
    )


def leave_out(problems: Sequence[Problem], contaminated: pl.DataFrame) -> list[Problem]:
    """The other problems. Raises FactoryError where there are problems and none is left."""
    ids = set(contaminated["problem_id"])
    clean = [problem for problem in problems if problem.problem_id not in ids]
    if problems and not clean:
        first = contaminated.row(0, named=True)
        raise FactoryError(
            f"All {len(problems)} evaluation problems stand in what is trained on, so nothing could be measured (the first, of leaf "
            f"{first['leaf']}, in record {first['matched_id']}: {first['matched_by']}). Keep more examples from the teacher "
            "(seeds.holdout), name a problem writer in a leaf (factory.problems), or take those records out."
        )
    return clean


def find_emptied(problems: Sequence[Problem], clean: Sequence[Problem]) -> list[str]:
    """The leaves that had problems and have none left."""
    return sorted({problem.leaf for problem in problems} - {problem.leaf for problem in clean})


def _find_asked(problems: Sequence[Problem], trained: pl.DataFrame, spec: RewardSpec) -> Iterator[tuple[int, tuple[str, str]]]:
    """Problems that ask what a record asks, with the record and how it matched."""
    asked = pl.DataFrame(
        [(at, each.problem_id, each.instruction, each.context, each.language, each.reference) for at, each in enumerate(problems)],
        schema=dict(zip(("row", "record_id", "instruction", "context", "language", "response"), (pl.Int64, *[pl.String] * 5), strict=True)),
        orient="row",
    ).with_columns(turns=pl.lit(None, TURNS), instruction_id=pl.lit(None, pl.String), seed=pl.lit(None, pl.Int64))
    before = trained.filter(pl.col("instruction").is_not_null()).with_columns(question=pl.col("instruction"), split=pl.lit("seed"))
    without_sets = spec.model_copy(update={"contamination": ContaminationSpec()})
    for row, reason, matched_id, matched_by in find_copies(asked, before, without_sets):
        if reason == "seed_copy":
            yield row, (matched_id, matched_by)


def _find_reworded(problems: Sequence[Problem], trained: pl.DataFrame) -> Iterator[tuple[int, tuple[str, str]]]:
    """Problems that a record asks in any words that their verifier can read, with the first such record."""
    asked: dict[str, dict[Asked | None, str]] = {}
    for at, problem in enumerate(problems):
        if problem.verifier is None:
            continue
        if problem.verifier not in asked:
            rows = trained.select("instruction", "record_id").drop_nulls("instruction").reverse().iter_rows()
            asked[problem.verifier] = {read_problem(problem.verifier, text): record for text, record in rows}
        what = read_problem(problem.verifier, problem.instruction)
        if what is not None and what in asked[problem.verifier]:
            yield at, (asked[problem.verifier][what], "same problem")


def _find_held(texts: Mapping[int, str], sought: Set[int], trained: pl.DataFrame, ngram: int) -> Iterator[tuple[int, tuple[str, str]]]:
    """Texts, of those `sought`, that share `ngram` words in a row with a text that is trained on, or stand whole in it, with the record and
    the words. All `texts` tell what is wording of the task, also those that are left out for another reason."""
    left, rows = set(sought), trained
    while left:
        hits = list(_look_up(texts, left, rows, ngram))
        readers: dict[str, set[str]] = defaultdict(set)
        for _, hit, instruction in hits:
            readers[hit.words].add(instruction)
        # A record tells the first text that it holds, so it is asked again for others.
        found: dict[int, tuple[str, str]] = {}
        for record_id, hit, _ in hits:
            found.setdefault(int(hit.place), (record_id, hit.words))
        if not found:
            return
        yield from ((at, held) for at, held in found.items() if ngram == WHOLE or len(readers[held[1]]) <= FREQUENT)
        left -= found.keys()
        rows = rows.filter(pl.col("record_id").is_in([record_id for record_id, *_ in hits]))


def _look_up(texts: Mapping[int, str], sought: Set[int], trained: pl.DataFrame, ngram: int) -> Iterator[tuple[str, Hit, str]]:
    """Each record that holds one of the `texts` that are sought, which the hit names as its place, and what the record asks."""
    items = {at: Item(str(at), text) for at, text in texts.items()}
    return find_hits(EvaluationIndex([items[at] for at in sorted(sought)], ngram, [items[at] for at in items if at not in sought]), trained)
