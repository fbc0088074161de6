"""`factory reward train`: reads the data, trains, tells MLflow, and says how well the model does and how a line uses it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from assets.console import OUT, QUIET
from assets.definitions import build_resources
from factory.faults import FactoryError
from factory.pico.models import model_revision
from factory.reward.held_out import Accuracy
from factory.reward.preferences import Pair, Rated, read_pairs, read_rated
from factory.reward.training import Report, RewardTraining, TrainedRewardModel, train_reward_model
from resources.home import Home, prepare_stores
from resources.tracked_metrics import Curve
from resources.tracking import Tracking

EXPERIMENT = "reward_models"
"""The MLflow experiment of reward models that belong to no line."""
BOUNDS = {"pairs": "min_goodness: 0", "attributes": "at_least: {helpfulness: 2.5}"}
"""What a line says beside the model's name, to begin with."""


def train_and_tell(home: Home, file: Path, base: str, out: Path, kind: str, settings: RewardTraining, experiment: str | None) -> None:
    """Raises FactoryError for what is wrong with the data, the base or the settings."""
    data = _read(file, kind)
    began = time.monotonic()
    with _follow() as report:
        trained = train_reward_model(data, base, out.resolve(), settings, report)
    told = _log(home, experiment or EXPERIMENT, file, base, settings, trained)
    for line in _describe(trained, time.monotonic() - began, told):
        OUT.print(line, highlight=False, soft_wrap=True)


def _read(file: Path, kind: str) -> Sequence[Pair] | Sequence[Rated]:
    if kind == "pairs":
        return read_pairs(file)
    if kind == "attributes":
        return read_rated(file)
    raise FactoryError(f"--kind {kind}: expected pairs or attributes.")


@contextmanager
def _follow() -> Iterator[Report]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not OUT.is_terminal:
        yield _tell_now_and_then()
        return
    columns = (TextColumn("reward model"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[loss]}"), console=OUT) as bar:
        task = bar.add_task("", total=None, loss="")
        yield lambda step, steps, loss: bar.update(task, completed=step, total=steps, loss=f"loss {loss:.3f}")


def _tell_now_and_then() -> Report:
    told = time.monotonic()

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal told
        if step in {1, steps} or time.monotonic() - told > QUIET:
            told = time.monotonic()
            OUT.print(f"  step {step}/{steps}, loss {loss:.3f}", highlight=False, soft_wrap=True)

    return report


def _log(
    home: Home, experiment: str, file: Path, base: str, settings: RewardTraining, trained: TrainedRewardModel
) -> dict[str, str] | None:
    prepare_stores(home)
    tracking: Tracking = build_resources(home)["tracking"]
    metrics = trained.metrics | {"rows": trained.rows, "held_out": trained.held_out, "steps": trained.steps}
    for name, accuracy in (("accuracy", trained.accuracy), ("length_accuracy", trained.length)):
        if accuracy is not None:
            low, high = accuracy.interval
            metrics |= {name: accuracy.share, f"{name}_low": low, f"{name}_high": high}
    metrics |= {f"left_out_{reason}": count for reason, count in trained.left_out.items()}
    return tracking.log_reward_model(
        experiment,
        f"reward model, {trained.kind}",
        params=settings.model_dump() | {"kind": trained.kind, "base": base, "base_revision": model_revision(base), "data": str(file)},
        metrics=metrics,
        curve=Curve("loss", trained.losses),
        digest=model_revision(str(trained.folder)),
    )


def _describe(trained: TrainedRewardModel, seconds: float, told: dict[str, str] | None) -> Iterator[str]:
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in trained.left_out.items())
    yield (
        f"Trained on {trained.rows:,} rows in {trained.steps:,} steps, {seconds:.0f} s; {trained.held_out:,} rows of other prompts held out"
        + (f"; left out: {left_out}." if left_out else ".")
    )
    if trained.accuracy is not None and trained.length is not None:
        rule = f"choosing the {'longer' if trained.longer else 'shorter'} response"
        yield f"Accuracy on held-out pairs: {_write(trained.accuracy)}; {rule}, as in training: {_write(trained.length)}."
        if trained.accuracy.interval[0] <= trained.length.share:
            yield "[yellow]That is not surely above what lengths alone tell: give more data, or a better base.[/yellow]"
    for name, value in trained.metrics.items():
        if name.startswith("mse_of_mean_"):
            attribute = name.removeprefix("mse_of_mean_")
            correlation = trained.metrics.get(f"correlation_{attribute}")
            known = "" if correlation is None else f", correlation {correlation:.2f}"
            error = trained.metrics[f"mse_{attribute}"]
            yield f"  {attribute}: mean squared error {error:.2f}, of always saying the mean {value:.2f}{known}"
    yield f"Model: {escape(str(trained.folder))}"
    yield f"In a line: reward: {{model: {escape(str(trained.folder))}, {BOUNDS[trained.kind]}}}"
    if told is not None:
        yield f"MLflow: {told['mlflow_url']}"


def _write(accuracy: Accuracy) -> str:
    low, high = accuracy.interval
    return f"{accuracy.share:.3f} ({low:.3f}–{high:.3f}, {accuracy.size:,} pairs)"
