"""Measures judges and reward models against labelled examples: agreement, biases, and whether their scores mean what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from factory.faults import FactoryError
from factory.generation.ledger import Ledger
from factory.generation.spending import Spending
from factory.reward.agreement import (
    UNPARSED,
    Figure,
    Floats,
    count_confusion,
    measure_area,
    measure_calibration,
    measure_correlation,
    measure_kappa,
    resample,
    share,
)
from factory.reward.calibration_keys import key_of_judge, key_of_reward_model, list_bounds
from factory.reward.judges import Preference, compare, name_row
from factory.reward.judging import Case, Judge, judge_cases, show_row
from factory.reward.labelled import Labelled
from factory.reward.rating import Rating, RewardModel, read_dialogue
from factory.reward.score import TOO_LONG
from factory.reward_spec import ATTRIBUTES, Policy, RewardSpec
from factory.spec import Spec

MOST_REASONS = 5
VERDICTS = {"singles": ("good", "bad", UNPARSED), "pairs": ("a", "b", "tie", UNPARSED)}


class Position(Spec):
    """`flips`: share of pairs of which the verdict changes with the order. `first`: of the answers that prefer one, the share that prefers
    the one shown first; without bias a half."""

    flips: Figure
    first: Figure


class Length(Spec):
    """`longer`, `shorter`: agreement on the pairs of which people prefer the longer response, and the shorter; of single responses, on
    those longer than the median, and the others. `baseline`: agreement of who calls the longer better. `correlation`: Spearman's of score
    and length in characters, of pairs of their differences."""

    longer: Figure
    shorter: Figure
    baseline: Figure
    correlation: Figure


class AttributeAgreement(Spec):
    """How far a model's values of one attribute go with people's."""

    correlation: Figure
    error: Figure


class Calibration(Spec):
    """What a judge or reward model said of labelled examples, against what people said.

    `key` is of what its verdicts follow from: model and revision, rubric, sampling and thresholds. In `accuracy` and `kappa` an answer that
    did not parse is a verdict of its own, and so never right; `accuracy_parsed` leaves these out, and `reasons` says why, the commonest
    MOST_REASONS with their number of examples. `area` is of single responses alone, and `calibration_error` of scores alone whose sigmoid
    is a probability.
    """

    role: Literal["judge", "reward model"]
    model: str
    rubric: str | None
    key: str
    examples: str
    examples_digest: str
    kind: Literal["singles", "pairs"]
    size: int
    accuracy: Figure
    accuracy_parsed: Figure
    kappa: Figure
    unparsed: Figure
    confusion: dict[str, dict[str, int]]
    reasons: dict[str, int] = Field(default={})
    area: Figure | None
    calibration_error: Figure | None
    position: Position | None
    length: Length
    attributes: dict[str, AttributeAgreement]


@dataclass(frozen=True)
class _Said:
    """What was said of each example: verdict, score (of a pair that of a less that of b; NaN where there is none), attributes, and of one
    that was not read why."""

    verdicts: list[str]
    scores: Floats
    values: Sequence[Mapping[str, float]]
    notes: Sequence[str | None]
    is_probable: bool = False
    preferences: Sequence[Preference] = ()


def calibrate_judge(judge: Judge, labelled: Labelled, ledger: Ledger, spending: Spending | None = None) -> Calibration:
    """The figures of a judge. One that scores reads pairs as well: the higher score is preferred.

    Raises FactoryError for single responses and a rubric that compares, and what asking raises.
    """
    if judge.rubric.compares:
        if labelled.kind == "singles":
            raise FactoryError(
                f"rubric {judge.rubric.name!r} compares two responses, and {labelled.name} holds single ones: give pairs or another rubric."
            )
        preferences = compare(judge, [(pair.a, pair.b) for pair in labelled.pairs], ledger, spending)
        signs = {"a": 1.0, "b": -1.0, "tie": 0.0, None: np.nan}
        verdicts = [preference.verdict or UNPARSED for preference in preferences]
        notes = [preference.note for preference in preferences]
        said = _Said(verdicts, np.array([signs[preference.verdict] for preference in preferences]), [], notes, preferences=preferences)
    else:
        cases = [Case(judge, show_row(row), name_row(row)) for row in _list_rows(labelled)]
        judgements = judge_cases(cases, ledger, spending)
        scores = [np.nan if judgement.score is None else judgement.score for judgement in judgements]
        good = [score >= judge.least_good for score in scores]
        said = _say(labelled, scores, [judgement.values for judgement in judgements], [judgement.note for judgement in judgements], good)
    return _compile(labelled, said, "judge", judge.identity, judge.rubric.name, key_of_judge(judge))


def calibrate_reward_model(model: RewardModel, spec: RewardSpec, labelled: Labelled) -> Calibration:
    """The figures of a reward model with the thresholds of `spec`; of five attributes the score is their weighted sum.

    A single response is good from min_goodness on and within at_least and at_most, those of its leaf where it has one. Raises FactoryError
    for single responses where a model of five attributes has none of these bounds, and what rating raises.
    """
    rows = _list_rows(labelled)
    ratings = model.rate([read_dialogue(row) for row in rows])
    policies = [spec.policy(row.get("leaf") or "") for row in rows]
    if labelled.kind == "singles" and any(
        rating and rating.attributes and not list_bounds(policy) for rating, policy in zip(ratings, policies, strict=True)
    ):
        raise FactoryError(
            f"reward model {model.identity} gives five attributes, and nothing says from which goodness on a response is good: set "
            "reward.min_goodness, reward.at_least or reward.at_most, or measure it on pairs."
        )
    scores = [_score(rating, spec) for rating in ratings]
    values = [rating.attributes if rating and rating.attributes else {} for rating in ratings]
    is_probable = any(rating is not None and rating.reward is not None for rating in ratings)
    good = [_is_good(rating, score, policy) for rating, score, policy in zip(ratings, scores, policies, strict=True)]
    notes = [rating.note if rating else TOO_LONG for rating in ratings]
    said = _say(labelled, scores, values, notes, good, is_probable=is_probable)
    return _compile(labelled, said, "reward model", model.identity, None, key_of_reward_model(model.identity, spec))


def _is_good(rating: Rating | None, score: float, policy: Policy) -> bool:
    attributes = rating.attributes if rating and rating.attributes else {}
    least = policy.min_goodness if policy.min_goodness is not None else -np.inf if attributes else 0.0
    inside = all(attributes[name] >= bound for name, bound in policy.at_least.items() if name in attributes)
    return score >= least and inside and all(attributes[name] <= bound for name, bound in policy.at_most.items() if name in attributes)


def _list_rows(labelled: Labelled) -> list[Mapping[str, Any]]:
    """Every response: the singles, or a and b of each pair in turn."""
    return [single.row for single in labelled.singles] or [row for pair in labelled.pairs for row in (pair.a, pair.b)]


def _score(rating: Rating | None, spec: RewardSpec) -> float:
    if rating is None:
        return float("nan")
    if rating.attributes is not None:
        return sum(rating.attributes[name] * weight for name, weight in spec.weights.items())
    return float("nan") if rating.reward is None else rating.reward


def _say(
    labelled: Labelled,
    scores: Sequence[float],
    values: Sequence[Mapping[str, float]],
    notes: Sequence[str | None],
    good: Sequence[bool],
    *,
    is_probable: bool = False,
) -> _Said:
    """The verdicts that follow from the score of each response, and from whether it is good."""
    given = np.array(scores, dtype=np.float64)
    if labelled.kind == "singles":
        verdicts = [UNPARSED if np.isnan(score) else "good" if is_good else "bad" for score, is_good in zip(given, good, strict=True)]
        return _Said(verdicts, given, values, notes, is_probable)
    differences = given[::2] - given[1::2]
    verdicts = [UNPARSED if np.isnan(gap) else "a" if gap > 0 else "b" if gap < 0 else "tie" for gap in differences]
    unread = [note if np.isnan(score) else None for note, score in zip(notes, given, strict=True)]
    return _Said(verdicts, differences, [], [one or other for one, other in zip(unread[::2], unread[1::2], strict=True)], is_probable)


def _compile(
    labelled: Labelled, said: _Said, role: Literal["judge", "reward model"], model: str, rubric: str | None, key: str
) -> Calibration:
    labels = ["good" if single.good else "bad" for single in labelled.singles] or [pair.preferred for pair in labelled.pairs]
    right = np.array([label == verdict for label, verdict in zip(labels, said.verdicts, strict=True)])
    unparsed = said.verdicts.count(UNPARSED)
    reasons = Counter(note or "" for note, verdict in zip(said.notes, said.verdicts, strict=True) if verdict == UNPARSED)
    return Calibration(
        role=role,
        model=model,
        rubric=rubric,
        key=key,
        examples=labelled.name,
        examples_digest=labelled.digest,
        kind=labelled.kind,
        size=labelled.size,
        accuracy=share(int(right.sum()), labelled.size),
        accuracy_parsed=share(int(right.sum()), labelled.size - unparsed),
        kappa=measure_kappa(labels, said.verdicts),
        unparsed=share(unparsed, labelled.size),
        confusion=count_confusion(labels, said.verdicts, VERDICTS[labelled.kind]),
        reasons=dict(reasons.most_common(MOST_REASONS)),
        area=_measure_area(labelled, said),
        calibration_error=_measure_calibration(labelled, said),
        position=_measure_position(said.preferences),
        length=_measure_length(labelled, said, right),
        attributes=_compare_attributes(labelled, said),
    )


def _measure_area(labelled: Labelled, said: _Said) -> Figure | None:
    if labelled.kind == "pairs":
        return None
    read = ~np.isnan(said.scores)
    return measure_area(said.scores[read], np.array([single.good for single in labelled.singles])[read])


def _measure_calibration(labelled: Labelled, said: _Said) -> Figure | None:
    """Of single responses sigmoid(score) is held against good; of pairs sigmoid of the difference of scores, which is the probability by a
    Bradley-Terry model that the one with the higher score is preferred, against whether it is."""
    from scipy.special import expit

    if not said.is_probable:
        return None
    read = ~np.isnan(said.scores)
    if labelled.kind == "singles":
        return measure_calibration(expit(said.scores[read]), np.array([single.good for single in labelled.singles])[read])
    # Where either is a tie there is nothing to be right about.
    decided = read & (said.scores != 0) & np.array([pair.preferred != "tie" for pair in labelled.pairs])
    right = np.array([(gap > 0) == (pair.preferred == "a") for gap, pair in zip(said.scores, labelled.pairs, strict=True)])
    return measure_calibration(expit(np.abs(said.scores[decided])), right[decided])


def _measure_position(preferences: Sequence[Preference]) -> Position | None:
    read = [preference for preference in preferences if preference.verdict is not None]
    if not preferences:
        return None
    flipped = sum(preference.forward != preference.backward for preference in read)
    first = np.array([(preference.forward == "a") + (preference.backward == "b") for preference in read])
    second = np.array([(preference.forward == "b") + (preference.backward == "a") for preference in read])

    def prefer_first(drawn: Any) -> float:
        decided = first[drawn].sum() + second[drawn].sum()
        return float(first[drawn].sum() / decided) if decided else np.nan

    return Position(flips=share(flipped, len(read)), first=resample(len(read), prefer_first))


def _measure_length(labelled: Labelled, said: _Said, right: Any) -> Length:
    if labelled.kind == "singles":
        lengths = np.array([len(single.row["response"]) for single in labelled.singles], dtype=np.float64)
        longer = lengths > np.median(lengths)
        by_length = longer == np.array([single.good for single in labelled.singles])
        shorter = ~longer
        compared = np.ones(labelled.size, dtype=bool)
    else:
        lengths = np.array([len(pair.a["response"]) - len(pair.b["response"]) for pair in labelled.pairs], dtype=np.float64)
        sides = np.array([{"a": 1, "b": -1, "tie": 0}[pair.preferred] for pair in labelled.pairs])
        longer, shorter = lengths * sides > 0, lengths * sides < 0
        by_length, compared = longer, sides != 0
    read = ~np.isnan(said.scores)
    return Length(
        longer=share(int(right[longer].sum()), int(longer.sum())),
        shorter=share(int(right[shorter].sum()), int(shorter.sum())),
        baseline=share(int(by_length[compared].sum()), int(compared.sum())),
        correlation=measure_correlation(said.scores[read], lengths[read]),
    )


def _compare_attributes(labelled: Labelled, said: _Said) -> dict[str, AttributeAgreement]:
    """Agreement on each attribute that both people and the model gave."""
    agreed: dict[str, AttributeAgreement] = {}
    for name in ATTRIBUTES:
        both = [
            (single.attributes[name], values[name])
            for single, values in zip(labelled.singles, said.values, strict=True)
            if single.attributes is not None and name in values
        ]
        if both:
            people, model = (np.array(side, dtype=np.float64) for side in zip(*both, strict=True))
            gaps = np.abs(people - model)
            error = resample(len(gaps), lambda drawn, gaps=gaps: float(gaps[drawn].mean()))  # type: ignore[misc]
            agreed[name] = AttributeAgreement(correlation=measure_correlation(people, model), error=error)
    return agreed
