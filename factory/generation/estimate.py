"""Says what a line will ask, in requests, tokens, money and time, before it asks: from what the ledger holds and a trial of a few units."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from factory.generation.ledger import Ledger
from factory.generation.models import Served, Teacher
from factory.generation.plan import list_teachers, make_recipe
from factory.generation.spending import Spending
from factory.generation.trial import LeafPlan, Request, Survey, survey_leaf, try_more
from factory.generation.units import select_material
from factory.line import GenerationSpec

CONFIDENCE = 0.95
UNITS = 5
"""Units that each flow's figures rest on at least, where it has so many."""
MEASURES = ("requests", "prompt_tokens", "completion_tokens", "cost")


@dataclass(frozen=True)
class Range:
    """An expected value and its interval, which is null where a single unit tells nothing of how units differ."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Figure:
    """What is still to be asked: of one model in one step of a flow, or, in a total, with `step` and `model` empty."""

    flow: str
    step: str
    model: str
    requests: Range
    prompt_tokens: Range
    completion_tokens: Range
    cost: Range


@dataclass(frozen=True)
class Estimate:
    """What a line will newly ask. `asked`: what the trial asked. `held`: requests of the plan that the ledger answers, the trial's too.

    `rests_on`: by flow, on how many units its figures rest, of how many leaves, out of how many. `seconds`: from all models at their full
    bound, to no faster than the trial; null where the trial asked nothing.
    """

    figures: tuple[Figure, ...]
    flows: tuple[Figure, ...]  # the totals of each flow
    total: Figure
    asked: Spending
    held: int
    rests_on: Mapping[str, tuple[int, int, int]]
    candidates: int
    seconds: tuple[float, float] | None


def count_planned(spec: GenerationSpec) -> int:
    """Candidates of a leaf that an estimate counts: with a quota, as many as are asked for where each one is accepted."""
    return max(spec.candidates_per_leaf, spec.accepted_per_leaf or 0)


def estimate_line(
    leaves: Sequence[str],
    seeds: pl.DataFrame,
    documents: pl.DataFrame,
    spec: GenerationSpec,
    teachers: Sequence[Teacher],
    ledger: Ledger,
    seed: int,
    *,
    judge: Teacher | None = None,
    units: int = UNITS,
) -> Estimate:
    """What the candidates of `leaves` will ask beyond what `ledger` holds; other parameters are those of `generate_candidates`.

    Units of the plan are a sample of their flow: those that the ledger holds to their end, and, where they are fewer than `units`, or of
    fewer leaves, the first that it does not, which are asked for now (`try_more`). What is still open is as many times the mean of the
    sample, flow by flow (a stratified total, Cochran, "Sampling Techniques", 1977, chapter 5), with Student's interval of it. Draws inside
    a leaf are uniform, but leaves that are not in the sample may differ: the interval does not cover what was not seen.
    Raises FactoryError where a flow does not go with its leaf, and what the models raise.
    """
    planned, surveys = count_planned(spec), dict[str, Survey]()
    for leaf in leaves:
        material = select_material(leaf, seeds, documents)
        recipe = make_recipe(material, spec, teachers, judge, seed)
        steps = tuple(dict.fromkeys(each.step.name for each in recipe.steps if each.step.asks != "nobody"))
        survey = surveys.setdefault(recipe.flow.name, Survey(steps))
        survey_leaf(LeafPlan(material, recipe, planned), survey, ledger, units)
    spending, began = Spending(spec.budget), time.perf_counter()
    for survey in surveys.values():
        try_more(survey, units, ledger, spending)
    wall = time.perf_counter() - began
    figures, totals = list[Figure](), dict[str, dict[str, _Sum]]()
    for name, survey in surveys.items():
        parts, totals[name] = _project(name, survey)
        figures += parts
    whole = Figure("", "", "", **{measure: _add([total[measure] for total in totals.values()]) for measure in MEASURES})
    return Estimate(
        figures=tuple(figures),
        flows=tuple(_write_total(name, total) for name, total in totals.items()),
        total=whole,
        asked=spending,
        held=sum(survey.held for survey in surveys.values()),
        rests_on={name: (len(survey.samples), len(survey.sampled), survey.leaves) for name, survey in surveys.items()},
        candidates=planned * len(leaves),
        seconds=_time(figures, spending, wall, _list_bounds(spec, teachers, judge)),
    )


@dataclass(frozen=True)
class _Sum:
    """An estimated sum with its variance, and the degrees of freedom of that."""

    value: float
    variance: float
    freedom: float


def _project(flow: str, survey: Survey) -> tuple[list[Figure], dict[str, _Sum]]:
    """What a flow will still ask, by step and model, and in all."""
    weights = _weigh_steps(survey)
    cells = sorted({(survey.steps.index(request["step"]), request["model"]) for unit in survey.samples for request in unit})
    figures = []
    for place, model in cells:
        step = survey.steps[place]
        own = [[request for request in unit if (request["step"], request["model"]) == (step, model)] for unit in survey.samples]
        sums = {measure: _spread([weights[step] * _measure(unit, measure) for unit in own]) for measure in MEASURES}
        figures.append(replace(_write_total(flow, sums), step=step, model=model))
    total = {
        measure: _spread([sum(weights[request["step"]] * _measure([request], measure) for request in unit) for unit in survey.samples])
        for measure in MEASURES
    }
    return figures, total


def _write_total(flow: str, sums: Mapping[str, _Sum]) -> Figure:
    return Figure(flow, "", "", **{measure: _range(sums[measure]) for measure in MEASURES})


def _weigh_steps(survey: Survey) -> dict[str, float]:
    """By step, how many whole units still have it to do: a draft that waits at a step has it and the later ones to do, and no earlier one.

    One unit asks q requests at a step in the mean of the sample; so a draft that waits there, one request, is 1/q of a unit. Where no unit
    of the sample came to that step, a waiting draft counts as a whole unit.
    """
    weights, units = {}, 0.0
    for step in survey.steps:
        asked = sum(request["step"] == step for unit in survey.samples for request in unit) / max(len(survey.samples), 1)
        units += survey.open[step] / (asked or 1.0)
        weights[step] = units
    return weights


def _measure(requests: Sequence[Request], measure: str) -> float:
    return float(len(requests) if measure == "requests" else sum(request[measure] for request in requests))


def _spread(values: Sequence[float]) -> _Sum:
    """The mean of `values`, the units of a sample, with the variance of that mean."""
    count = len(values)
    mean = sum(values) / max(count, 1)
    variance = sum((value - mean) ** 2 for value in values) / (count - 1) / count if count > 1 else 0.0
    return _Sum(mean, variance, count - 1.0)


def _add(sums: Sequence[_Sum]) -> Range:
    """The sum over flows, its freedom after Satterthwaite (1946, Biometrics Bulletin 2:110)."""
    unknown = any(each.value and each.freedom < 1 for each in sums)
    variance = sum(each.variance for each in sums)
    shares = sum(each.variance**2 / each.freedom for each in sums if each.freedom >= 1)
    return _range(_Sum(sum(each.value for each in sums), variance, 0.0 if unknown else variance**2 / shares if shares else 1.0))


def _range(total: _Sum) -> Range:
    from scipy.stats import t

    if total.freedom < 1 and total.value:
        return Range(total.value, None, None)
    half = float(t.ppf(0.5 + CONFIDENCE / 2, max(total.freedom, 1.0))) * math.sqrt(total.variance)
    return Range(total.value, max(0.0, total.value - half), total.value + half)


def _list_bounds(spec: GenerationSpec, teachers: Sequence[Teacher], judge: Teacher | None) -> dict[str, tuple[int, bool]]:
    """By identity, how many requests a model works on at once at most, and whether it stands behind a server."""
    models = [*zip(teachers, list_teachers(spec), strict=True), *([(judge, spec.judge)] if judge and spec.judge else [])]
    return {
        model.identity: (model.in_flight, True) if isinstance(model, Served) else (section.batch_size, False) for model, section in models
    }


def _time(figures: Sequence[Figure], asked: Spending, wall: float, bounds: Mapping[str, tuple[int, bool]]) -> tuple[float, float] | None:
    """Seconds at best and at worst: every model at its full bound as fast as in the trial; and no more done at once than in the trial.

    Servers work beside each other, models in this process one after the other.
    """
    if not asked.requests:
        return None
    served, local = 0.0, 0.0
    for identity, (most, is_served) in bounds.items():
        spent = asked.models.get(identity)
        if spent is None or not spent.calls:
            continue
        requests = sum(figure.requests.value for figure in figures if figure.model == identity)
        seconds = requests / most * spent.seconds / spent.calls
        served, local = (max(served, seconds), local) if is_served else (served, local + seconds)
    slowest = sum(figure.requests.value for figure in figures) * wall / asked.requests
    return min(max(served, local), slowest), slowest
