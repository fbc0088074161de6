"""Copies of decided records in which the words of two groups changed places, scored and judged as the records were."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.group_terms_spec import GroupTerms
from factory.records import CANDIDATE, COUNTERFACTUAL, SCORED, empty, record_id, write_canonical
from factory.reward.copies import COPY_REASONS
from factory.reward.judges import Voter
from factory.reward.rating import RewardModel
from factory.reward.score import KEPT, score_candidates
from factory.reward.verdict import ACCEPTED, SCORE, decide_alone
from factory.reward_spec import RewardSpec
from factory.validation.swap import Exchange, list_exchanges

TEXTS = ("instruction", "context", "response")
ASKED = ("constraint", "verifier_settings")
"""Columns of JSON that say what is asked of a response: what they quote of the instruction changes with it."""
Row = dict[str, Any]


def compare_counterfactuals(
    decided: pl.DataFrame,
    terms: Sequence[GroupTerms],
    spec: RewardSpec,
    reward_model: Callable[[], RewardModel],
    judges: Voter | None = None,
) -> pl.DataFrame:
    """COUNTERFACTUAL rows of VERDICT rows that hold a word of `terms`: those that a model scored first, by record id, which is
    a hash and so as good as random.

    Verifier, reward model and judges are asked about each copy as they were about its original, whose scores are taken as they are; only
    what a copy needs is opened. Both are then judged by the policy of `spec`, each by itself, for there is no telling which copies a copy
    would be a copy of; where a leaf keeps its best only, the least goodness that came through there is asked of both. What its flow refused
    was never scored, and so has no copy. Raises what score_candidates raises, and FactoryError where another model scored the originals.
    """
    # Those that a model scored come first: what verifiers decide alone must not use up the records of a line.
    judged = decided.filter(KEPT).sort(SCORE.is_null(), "record_id")
    rows = judged.select("record_id", "language", *TEXTS, "turns", *ASKED)
    made = [copied for exchange in list_exchanges(terms) for copied in _copy(rows.iter_rows(named=True), exchange)]
    if not made:
        return empty(COUNTERFACTUAL)
    originals = judged[[at for at, _, _ in made]]
    texts = pl.DataFrame([texts for _, _, texts in made], schema={name: CANDIDATE[name] for name in (*TEXTS, "turns", *ASKED)})
    copies = score_candidates(originals.select(*CANDIDATE).with_columns(texts), spec, reward_model, judges)
    _check_models(originals, copies)
    least = _find_least(decided, spec)
    sides = [_judge(originals.select(*SCORED), spec, least), _judge(copies, spec, least).select(pl.all().name.suffix("_swapped"))]
    about = pl.DataFrame([about for _, about, _ in made], schema={name: COUNTERFACTUAL[name] for name in made[0][1]})
    whole = pl.concat([about, originals.select("leaf", "language"), *sides, copies.select("scoring")], how="horizontal")
    return whole.select(*COUNTERFACTUAL).sort("record_id")


def _copy(rows: Iterable[Row], exchange: Exchange) -> Iterator[tuple[int, Row, Row]]:
    """Place, description and texts of the copies of the first rows that can be copied."""
    left = exchange.terms.records
    for at, row in enumerate(rows):
        if not exchange.terms.reads(row["language"]):
            continue
        found = [form for text in _list_texts(row) for form in exchange.find(text)]
        if not found or any(form not in exchange.counterparts for form in found):
            continue
        named = {exchange.sides[form] for form in found}
        pair = {"group": exchange.terms.group, "first": exchange.first, "second": exchange.second}
        about = {"record_id": record_id("counterfactual", {"of": row["record_id"], **pair}), "original_id": row["record_id"]}
        yield at, about | pair | {"named": named.pop() if len(named) == 1 else None, "words": len(found)}, _swap(row, exchange)
        left -= 1
        if not left:
            return


def _list_texts(row: Row) -> list[str]:
    """Every text of a record once: of a dialogue its turns, which hold the instruction and the response too."""
    said = [turn["content"] for turn in row["turns"]] if row["turns"] else [row["instruction"], row["response"]]
    return [*said, row["context"] or ""]


def _swap(row: Row, exchange: Exchange) -> Row:
    texts: Row = {name: row[name] and exchange.swap(row[name]) for name in TEXTS}
    turns = row["turns"] and [turn | {"content": exchange.swap(turn["content"])} for turn in row["turns"]]
    asked = {name: row[name] and write_canonical(_swap_asked(json.loads(row[name]), exchange)) for name in ASKED}
    return texts | {"turns": turns} | asked


def _swap_asked(asked: Row, exchange: Exchange) -> Row:
    """What is asked with its quotes swapped; the name of a constraint is no quote."""
    return {key: value if key == "name" else exchange.swap_values(value) for key, value in asked.items()}


def _check_models(originals: pl.DataFrame, copies: pl.DataFrame) -> None:
    models = [frame["reward_model"] for frame in (originals, copies)]
    differ = models[0].ne_missing(models[1])
    if differ.any():
        was, now = (side.filter(differ)[0] or "none" for side in models)
        raise FactoryError(
            f"the records were scored by the reward model {was}, and their copies would be by {now}: scores of two models cannot be "
            "compared. Make `scored` and the verdicts anew."
        )


def _find_least(decided: pl.DataFrame, spec: RewardSpec) -> pl.DataFrame:
    """The least goodness that came through, `least`, by `leaf` that keeps its best only."""
    best_only = [leaf for leaf in decided["leaf"].unique() if spec.policy(leaf).top_share < 1]
    came_through = decided.filter(pl.col("leaf").is_in(best_only), pl.col("reason").is_in([ACCEPTED, *COPY_REASONS]))
    return came_through.group_by("leaf").agg(pl.min("goodness").alias("least"))


def _judge(scored: pl.DataFrame, spec: RewardSpec, least: pl.DataFrame) -> pl.DataFrame:
    """score, verified, good and reason of SCORED rows, in their order."""
    alone = scored.hstack(decide_alone(scored, spec)).join(least, on="leaf", how="left", maintain_order="left")
    not_top = pl.when((pl.col("goodness") < pl.col("least")).fill_null(False)).then(pl.lit("not_top"))
    reason = pl.coalesce("reason", not_top, pl.lit(ACCEPTED))
    return alone.select(SCORE.alias("score"), "verified", (reason == ACCEPTED).alias("good"), reason.alias("reason"))
