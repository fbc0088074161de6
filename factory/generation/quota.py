"""Rounds of a leaf: written until as many candidates are accepted as the line asks for, or a rule says that more would be waste."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from factory.generation.generate import LeafWriter, Watch
from factory.generation.models import Teacher
from factory.line import GenerationSpec


@dataclass(frozen=True)
class Review:
    """What the reward stage says of a leaf's candidates. `funnel`: columns of records.FUNNEL, how many came through each filter.

    `refusing`: the filter that refuses most, and what to try. `refused`: a few of what it refused, a line each.
    """

    accepted: int
    funnel: Mapping[str, int]
    refusing: str
    refused: tuple[str, ...]


Reviewer = Callable[[pl.DataFrame], Review]
"""Reviews all candidates of a leaf so far. The engine takes it from outside, since generation comes before reward."""


@dataclass(frozen=True)
class Written:
    """All candidates of a leaf. `stopped` says why it has fewer accepted ones than were asked for; null where it has not."""

    frame: pl.DataFrame
    stopped: str | None = None


def is_reviewed(spec: GenerationSpec, teachers: Sequence[Teacher]) -> bool:
    """Whether a leaf's candidates may depend on what the reward stage says of them: not where the first round holds all of them."""
    # A check for Served looks at context_tokens too, which opens a library, and this is asked even where everything is reused.
    windows = [int(getattr(teacher, "window", 1)) for teacher in teachers]
    return spec.accepted_per_leaf is not None or spec.candidates_per_leaf > max([spec.yield_after, *windows])


def count_most(spec: GenerationSpec) -> int:
    """Most candidates that a leaf is ever given: with a quota and no bound, as many as the least yield would need."""
    if spec.accepted_per_leaf is None:
        return spec.candidates_per_leaf
    least = math.ceil(spec.accepted_per_leaf / spec.min_yield)
    return spec.most_candidates_per_leaf or max(least, spec.yield_after, spec.candidates_per_leaf)


def write_in_rounds(writer: LeafWriter, spec: GenerationSpec, review: Reviewer, watch: Watch | None = None) -> Written:
    """The candidates of a leaf, whose plan is of `count_most(spec)`.

    Without a quota: all of them, unless not one of the first `yield_after` is accepted. With `accepted_per_leaf`: rounds until so many are
    accepted, `most_candidates_per_leaf` are written, or, of at least `yield_after`, a smaller share than `min_yield` was accepted. Where a
    round ends follows from the counts alone, so the same line gives the same rounds. `watch` is told the funnel after each round.
    Raises what `LeafWriter.write` and `review` raise.
    """
    quota, most = spec.accepted_per_leaf, writer.most
    asked = writer.round_up(spec.yield_after if quota is None else spec.candidates_per_leaf)
    while True:
        frame = writer.write(asked)
        if quota is None and asked == most:
            return Written(frame)
        said = review(frame)
        if watch is not None:
            watch(said.funnel)
        if said.accepted >= (quota or 1):
            if quota is not None:
                return Written(frame)
            asked = most
            continue
        why = _stop(spec, asked, said.accepted, most)
        if why is not None:
            return Written(frame, _explain(why, asked, said, quota))
        asked = writer.round_up(min(_plan_next(spec, asked, said.accepted), most))


def _stop(spec: GenerationSpec, asked: int, accepted: int, most: int) -> str | None:
    """Why nothing more is asked for, where a rule says so."""
    if spec.accepted_per_leaf is None:
        return f"nothing of the first {asked:,} candidates got through, so the other {most - asked:,} were not asked for"
    if asked >= spec.yield_after and accepted < spec.min_yield * asked:
        return f"a yield of {accepted / asked:.1%} is below generation.min_yield, {spec.min_yield:.1%}"
    return f"generation.most_candidates_per_leaf, {most:,}, is reached" if asked >= most else None


def _plan_next(spec: GenerationSpec, asked: int, accepted: int) -> int:
    """Where the next round ends: what is missing at the yield so far, but no more than doubled, as a small sample is a poor guide."""
    missing = (spec.accepted_per_leaf or 0) - accepted
    likely = asked + math.ceil(missing / max(accepted / asked, spec.min_yield))
    return min(likely, max(2 * asked, spec.yield_after))


def _explain(why: str, asked: int, said: Review, quota: int | None) -> str:
    wanted = f" of {quota:,} wanted" if quota is not None else ""
    samples = "".join(f"\n  {line}" for line in said.refused)
    return (
        f"stopped at {asked:,} candidates with {said.accepted:,}{wanted} accepted: {why}. Mostly, {said.refusing}."
        f"{' For example:' if samples else ''}{samples}"
    )
