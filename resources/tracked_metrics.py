"""Figures as MLflow takes them: names that it allows, curves, and batches no larger than it reads."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.records import digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

LONGEST_METRIC = 250
"""Characters of a metric's name in MLflow."""
MOST_METRICS = 1000
"""Metrics that MLflow takes at once."""

_NOT_IN_METRICS = re.compile(r"[^/\w.\- :]")


@dataclass(frozen=True)
class Curve:
    """Values of one metric by step. `times`, where they are known, are as many: ms since the epoch."""

    name: str
    points: Sequence[tuple[int, float]]
    times: Sequence[int] = ()


@dataclass(frozen=True)
class About:
    """What figures are of, beside the run: a LoggedModel by id, and a dataset by name and digest."""

    model: str | None = None
    dataset: tuple[str, str] | None = None


def log_metrics(client: "MlflowClient", run: str, metrics: Mapping[str, float], *curves: Curve, about: About | None = None) -> None:
    """Logs `metrics`, which are `about` something, and `curves`."""
    now = int(client.get_run(run).info.start_time)
    _log(client, run, [_build(name, value, now, 0, about or About()) for name, value in metrics.items()])
    points = (
        _build(curve.name, value, curve.times[at] if curve.times else now, step, About())
        for curve in curves
        for at, (step, value) in enumerate(curve.points)
    )
    _log(client, run, points)


def _build(name: str, value: float, time: int, step: int, about: About) -> "Metric":
    from mlflow.entities import Metric

    dataset = about.dataset or (None, None)
    return Metric(name_metric(name), float(value), time, step, model_id=about.model, dataset_name=dataset[0], dataset_digest=dataset[1])


def _log(client: "MlflowClient", run: str, metrics: Iterable["Metric"]) -> None:
    values = list(metrics)
    for start in range(0, len(values), MOST_METRICS):
        client.log_batch(run, metrics=values[start : start + MOST_METRICS])


def name_metric(name: str) -> str:
    """`name` as MLflow takes it: no signs but those that it allows, vowel signs and accents of other scripts among them, and not too long.

    What had to be changed ends in a digest, so that two leaves never share a metric.
    """
    composed = unicodedata.normalize("NFC", name)
    allowed = _NOT_IN_METRICS.sub("-", composed)
    if allowed == composed and len(allowed) <= LONGEST_METRIC:
        return allowed
    mark = digest([name])[:8]
    return f"{allowed[: LONGEST_METRIC - len(mark) - 1]}-{mark}"
