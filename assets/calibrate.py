"""`factory calibrate`: judges and reward models measured against labelled examples, the tables that say so, and what to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from assets.judges import Bench
from assets.run import explain_unfinished
from assets.shelf import open_shelf
from factory.faults import FactoryError
from factory.generation.ledger import Ledger
from factory.generation.models import Teacher
from factory.generation.spending import Spending
from factory.line import Line
from factory.model_spec import ServerSpec
from factory.reward.agreement import FEWEST, UNPARSED, Figure
from factory.reward.calibration import Calibration, calibrate_judge, calibrate_reward_model
from factory.reward.judges import check_rubrics
from factory.reward.judging import Judge, make_judge
from factory.reward.labelled import Labelled, label_by_verifiers, read_labelled
from factory.reward.models import open_reward_model
from factory.reward.rubric import load_rubric
from factory.reward_spec import JudgeSpec, RewardSpec
from resources.calibrations import NO_LINE, Calibrations
from resources.home import Home, prepare_stores
from resources.models import Models

MUCH_UNPARSED = 0.05
"""Share of answers that do not parse from which a hint is given."""
MANY_FLIPS = 0.2
"""Share of pairs whose verdict changes with the order from which a hint is given: about a third of them did for the best judge of
Zheng et al. 2023 (arXiv 2306.05685, table 2)."""
BAD_CALIBRATION = 0.1
"""Expected calibration error from which a score's sigmoid is not to be read as a probability."""


@dataclass(frozen=True)
class Calibrated:
    """The figures, the files that they were stored in, and what was left out, with the reason."""

    calibrations: tuple[Calibration, ...]
    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def read_examples(
    home: Home, line: Line | None, file: Path | None, against: str | None, good_from: float | None, most: int | None
) -> Labelled:
    """The labelled examples of a file, or, `against` verifiers, the stored candidates of the line that its verifiers decided."""
    if (file is None) == (against is None):
        raise FactoryError("Give a file of labelled examples, or --against verifiers for the line's own candidates.")
    if file is not None:
        return read_labelled(file, good_from, most)
    if against != "verifiers":
        raise FactoryError(f"--against {against}: the line's own candidates can be labelled by its verifiers alone: --against verifiers.")
    if line is None:
        raise FactoryError("--against verifiers takes the candidates of a line: give --line.")
    prepare_stores(home)
    scored = open_shelf(home, line.name).frame("scored")
    if scored is None:
        raise FactoryError(f"Line {line.name} has no scored candidates yet: `factory run {line.name}` makes them.")
    return label_by_verifiers(scored, most)


def calibrate_line(home: Home, line: Line, labelled: Labelled, number: int | None, *, reward: bool) -> Calibrated:
    """Measures the reward model and judges of a line, or only judge `number` (from 1, that of the pairs last), or only the reward model.

    Raises FactoryError for what the line does not have or the examples do not fit, RunFailedError where a server does not answer or the
    budget is spent.
    """
    check_rubrics(line.reward)
    bench = Bench(line, Models(), "calibrate")
    judges = [*bench.judges, *([bench.comparer] if bench.comparer else [])]
    if number is not None and not 1 <= number <= len(judges):
        raise FactoryError(f"Line {line.name} has {len(judges)} judges in its reward section; --judge {number} is none of them.")
    chosen = judges if number is None else [judges[number - 1]]
    left_out = []
    if number is None and labelled.kind == "singles":
        comparing = (judge for judge in chosen if judge.rubric.compares)
        left_out = [f"{judge.identity} by {judge.rubric.name}: it compares, and the examples are single ones" for judge in comparing]
        chosen = [judge for judge in chosen if not judge.rubric.compares]
    found: list[Calibration] = []
    if number is None and (line.reward.model is not None or reward):
        with explain_unfinished("Not calibrated"):
            found.append(calibrate_reward_model(bench.open_reward_model(), line.reward, labelled))
    if not reward and chosen:
        with explain_unfinished("Not calibrated"), bench.open_ledger() as ledger:
            found += [calibrate_judge(judge, labelled, ledger, bench.spending) for judge in chosen]
    if not found:
        raise FactoryError(f"Line {line.name} has neither a reward model nor a judge that these examples fit.")
    return _store(Calibrations(home.calibrations(line.name)), found, left_out)


def calibrate_model(
    home: Home, labelled: Labelled, model: str, revision: str | None, rubric: str | None, server: ServerSpec | None
) -> Calibrated:
    """Measures a model of no line: a judge by `rubric`, or without one a reward model."""
    if rubric is None:
        spec = RewardSpec(model=model, revision=revision, server=server)
        with explain_unfinished("Not calibrated"):
            found = calibrate_reward_model(open_reward_model(spec, home.ledger(NO_LINE)), spec, labelled)
    else:
        judging = JudgeSpec(model=model, revision=revision, server=server, rubric=rubric)
        teacher: Teacher = Models().teacher(judging)
        judge: Judge = make_judge(judging, teacher, load_rubric(rubric))
        with explain_unfinished("Not calibrated"), Ledger(home.ledger(NO_LINE)) as ledger:
            found = calibrate_judge(judge, labelled, ledger, Spending())
    return _store(Calibrations(home.calibrations(NO_LINE)), [found], [])


def draw_calibrations(calibrated: Calibrated, line: str | None) -> Iterator[Table | str]:
    """A table of figures for each, its confusion, and what to do next."""
    for calibration in calibrated.calibrations:
        yield _draw_figures(calibration)
        yield _draw_confusion(calibration)
        unread = _name_unparsed(calibration)
        yield from (escape(f"{unread}, {count:,} of {calibration.size:,}: {reason}") for reason, count in calibration.reasons.items())
        yield from (f"[yellow]{escape(hint)}[/yellow]" for hint in advise(calibration))
    yield from (f"left out: {escape(reason)}" for reason in calibrated.left_out)
    yield "\nstored: " + escape(", ".join(map(str, calibrated.files)))
    if line:
        yield f"Next: the card of the next version that [bold]factory run {escape(line)}[/bold] publishes shows these figures."
    else:
        yield "Next: name the model in a line's reward section, and calibrate it there with --line, so that its card shows the figures."


def advise(calibration: Calibration) -> Iterator[str]:
    """What to try where a figure says that verdicts should not be trusted."""
    kappa, baseline, accuracy = calibration.kappa, calibration.length.baseline, calibration.accuracy
    few, one_label = calibration.size < FEWEST, len(calibration.confusion) == 1
    if few:
        yield f"so few examples say next to nothing: label at least {FEWEST}, better some hundreds."
    if one_label:
        yield f"all labels are {next(iter(calibration.confusion))}: whether it tells good from bad cannot be seen; label some of both."
    if calibration.unparsed.value is not None and calibration.unparsed.value > MUCH_UNPARSED:
        of_judge = "do not parse: give the judge more max_new_tokens, or a simpler rubric"
        of_model = "got no rating, which says nothing of the model's agreement: see why above"
        yield f"{calibration.unparsed.value:.0%} {of_judge if calibration.rubric else of_model}."
    if few or one_label:
        return
    if kappa.low is None or kappa.low <= 0:
        yield "kappa may be 0: on these examples it agrees with the labels no better than chance would; use another model or rubric."
    if baseline.value is not None and accuracy.low is not None and accuracy.low <= baseline.value:
        yield "whoever just takes the longer response is right as often, as far as these examples can tell."
    if calibration.position and (calibration.position.flips.value or 0) > MANY_FLIPS:
        yield "its verdict often changes with the order of the two; these count as ties, so that it decides little."
    error = calibration.calibration_error
    if error and error.low is not None and error.low > BAD_CALIBRATION:
        yield "the sigmoid of its scores is no probability here: set thresholds by what they let through, not by what they seem to say."


def _draw_figures(calibration: Calibration) -> Table:
    what = f"{calibration.model} {f'by {calibration.rubric}' if calibration.rubric else '(reward model)'}"
    kind = "responses" if calibration.kind == "singles" else "pairs"
    title = f"{escape(what)}: {calibration.size:,} {kind} of {escape(calibration.examples)}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("figure", overflow="fold")
    for name in ("value", "95 % interval", "examples"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figure in _list_figures(calibration):
        if figure is not None:
            interval = "–" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
            table.add_row(name, "–" if figure.value is None else f"{figure.value:.3f}", interval, f"{figure.size:,}")
    return table


def _list_figures(calibration: Calibration) -> Iterator[tuple[str, Figure | None]]:
    yield "accuracy", calibration.accuracy
    yield "accuracy of what parsed" if calibration.rubric else "accuracy of what was rated", calibration.accuracy_parsed
    yield "Cohen's kappa", calibration.kappa
    yield _name_unparsed(calibration), calibration.unparsed
    yield "area under ROC", calibration.area
    yield "expected calibration error", calibration.calibration_error
    if calibration.position:
        yield "verdicts that the order flips", calibration.position.flips
        yield "prefers the first shown", calibration.position.first
    of = "the longer is preferred" if calibration.kind == "pairs" else "longer than the median"
    yield f"accuracy where {of}", calibration.length.longer
    yield f"accuracy where {of.replace('longer', 'shorter')}", calibration.length.shorter
    yield "accuracy of length alone", calibration.length.baseline
    yield "correlation of score and length", calibration.length.correlation
    for name, attribute in calibration.attributes.items():
        yield f"{name}: correlation", attribute.correlation
        yield f"{name}: mean absolute error", attribute.error


def _name_unparsed(calibration: Calibration) -> str:
    return UNPARSED if calibration.rubric else "not rated"


def _draw_confusion(calibration: Calibration) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("label")
    names = [*next(iter(calibration.confusion.values()))]
    for name in names:
        table.add_column(f"judged {name}" if name != UNPARSED else _name_unparsed(calibration), justify="right")
    for label, row in calibration.confusion.items():
        table.add_row(label, *(f"{row[name]:,}" for name in names))
    return table


def _store(shelf: Calibrations, found: list[Calibration], left_out: list[str]) -> Calibrated:
    return Calibrated(tuple(found), tuple(shelf.add(each) for each in found), tuple(left_out))
