"""What a run left behind, told in the terminal when it ends."""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.markup import escape

from assets.champion import find_champion, student_name
from assets.generation import STOPPED_EARLY
from assets.mixing import describe_mix, is_mixed
from assets.release import CARD
from assets.shelf import Shelf, open_shelf
from assets.win_rates import MATCHES, tell_win_rate
from factory.generation.cost import count_cost
from factory.generation.spending import Spending
from factory.line import Line
from factory.records import take_examples
from factory.release.visible import make_visible
from factory.reward.funnel import count_funnel, hints
from factory.seeds.survey import Survey
from factory.training import summarise
from factory.training.statistics import ALL
from factory.validation.gates import failed_gates
from resources.home import Home

MOST_HINTS = 5
MOST_STEPS = 8


def tell_run(home: Home, line: Line, survey: Survey, spending: Spending, *, whole: bool) -> Iterator[str]:
    """The summary of a run in lines of rich's markup: seeds, what was accepted and why not, costs, gates, accuracy, where all lies.

    A run that was not of the `whole` line went as far as the verdict.
    """
    shelf = open_shelf(home, line.name)
    if not whole:
        yield from _align(line, [*_tell_data(shelf), *_tell_cost(shelf), ("this run", f"newly asked: {spending.describe()}")])
        yield from _tell_stopped(shelf)
        yield from tell_faults(survey)
        yield "\nMade up to the verdict. [bold]factory run[/bold] without --leaf validates, releases and trains.\n"
        return
    data = [*_tell_data(shelf), *_tell_cost(shelf), ("this run", f"newly asked: {spending.describe()}")]
    yield from _align(line, [*data, *_tell_gates(shelf), *_tell_release(shelf), *_tell_mix(shelf), *_tell_training(shelf, line)])
    yield from _tell_stopped(shelf)
    yield from tell_faults(survey)
    yield from _tell_next(shelf)


def tell_gates_failed(home: Home, line: Line) -> Iterator[str]:
    """After a run whose gates failed: how far it came, and what a person can do."""
    shelf = open_shelf(home, line.name)
    yield from _align(line, [*_tell_data(shelf), *_tell_cost(shelf), *_tell_gates(shelf)])
    yield from _tell_stopped(shelf)
    yield "\nNothing was released or trained. [bold]factory report[/bold] shows every gate. Mend the data (the funnel above says where it"
    yield "is lost), move the threshold under validation.gates in the line's YAML, or waive the gate there by name and with a reason:"
    yield "  validation: {waivers: \\[{gate: <report>.<metric>, by: <your name>, reason: <why>}]}\n"


def _align(line: Line, rows: list[tuple[str, str]]) -> Iterator[str]:
    width = max((len(name) for name, _ in rows), default=0)
    yield f"\n[bold]{line.name}[/bold]"
    for name, told in rows:
        yield f"  [cyan]{name:<{width}}[/cyan]  {told}"


def _tell_data(shelf: Shelf) -> Iterator[tuple[str, str]]:
    seeds, accepted, rejected = shelf.frame("seed_examples"), shelf.frame("accepted"), shelf.frame("rejected")
    if seeds is not None:
        examples = take_examples(seeds)
        held, topics = examples.filter(split="holdout").height, seeds["answer"].null_count()
        told = f"{len(shelf.leaves)} leaves, {examples.height} examples: {examples.height - held} shown to the teacher, {held} held out"
        yield "seeds", told + (f"; {topics} topics" if topics else "")
    if accepted is None or rejected is None:
        return
    total = accepted.height + rejected.height
    yield "candidates", f"{total:,}"
    yield "accepted", f"{accepted.height:,} ({accepted.height / max(total, 1):.0%})"
    reasons = rejected.group_by("reason").len().sort("len", "reason", descending=[True, False])
    yield "refused", ", ".join(f"{reason} {count:,}" for reason, count in reasons.iter_rows()) or "nothing"
    advice = hints(count_funnel(pl.concat([accepted, rejected])))
    for hint in advice[:MOST_HINTS]:
        yield "", f"[yellow]{escape(hint)}[/yellow]"
    if len(advice) > MOST_HINTS:
        yield "", f"[yellow]… and {len(advice) - MOST_HINTS} more leaves; the page of `accepted` in `factory ui` lists them[/yellow]"


def _tell_cost(shelf: Shelf) -> Iterator[tuple[str, str]]:
    """What all stored candidates cost, refused ones too, in all and by step and model, the dearest first."""
    candidates, accepted = shelf.frame("candidates"), shelf.frame("accepted")
    if candidates is None:
        return
    if (scored := shelf.frame("scored")) is not None:
        candidates = candidates.join(scored.select("record_id", "scoring"), on="record_id", how="left")
    steps = count_cost(candidates, ("step", "model")).sort("cost", "completion_tokens", descending=True, maintain_order=True)
    total = steps.sum().row(0, named=True)
    tokens = total["prompt_tokens"] + total["completion_tokens"]
    kept = 0 if accepted is None else accepted.height
    each = f"; {tokens / kept:,.0f} tokens{_money(total['cost'] / kept)} for each accepted record" if kept else ""
    yield "cost", f"{total['requests'] or 0:,} requests, {tokens or 0:,} tokens{_money(total['cost'])}{each}"
    for row in steps.head(MOST_STEPS).iter_rows(named=True):
        read, wrote = row["prompt_tokens"], row["completion_tokens"]
        told = f"{row['step']}, {row['model']}: {row['requests']:,} requests, {read:,} tokens read, {wrote:,} written{_money(row['cost'])}"
        yield "", escape(told)
    if steps.height > MOST_STEPS:
        yield "", f"… and {steps.height - MOST_STEPS} more; the page of `candidates` in `factory ui` lists them"


def _money(cost: float) -> str:
    return f", {cost:,.4g} money" if cost else ""


def _tell_stopped(shelf: Shelf) -> Iterator[str]:
    """Leaves that were stopped early, and why."""
    stopped = shelf.leaf_facts("candidates", STOPPED_EARLY)
    if stopped:
        yield f"\n[yellow]{len(stopped)} {'leaf was' if len(stopped) == 1 else 'leaves were'} stopped early:[/yellow]"
        for leaf, why in stopped.items():
            yield "  " + escape(make_visible(f"{leaf}: {why}")).replace("\n", "\n  ")


def _tell_gates(shelf: Shelf) -> Iterator[tuple[str, str]]:
    gates = shelf.frame("gates")
    if gates is None:
        return
    decided = gates.filter(pl.col("threshold").is_not_null())
    failed, waived, passed = failed_gates(gates).height, int(decided["waived_by"].count()), int(decided["passed"].sum())
    warned = decided.height - failed - waived - passed
    others = {"waived": waived, "only warned of": warned, "failed": failed}
    yield "gates", ", ".join([f"{passed} of {decided.height} passed", *(f"{count} {what}" for what, count in others.items() if count)])


def _tell_release(shelf: Shelf) -> Iterator[tuple[str, str]]:
    release = shelf.frame("dataset_release")
    if release is None:
        return
    row = release.row(0, named=True)
    yield "release", f"{row['version']}, {row['records']:,} records, {escape(row['folder'])}"
    yield "card", escape(str(Path(row["folder"]) / CARD))


def _tell_mix(shelf: Shelf) -> Iterator[tuple[str, str]]:
    rows, facts = shelf.frame("training_mix"), shelf.facts("training_mix")
    if rows is not None and is_mixed(rows, facts):
        yield "trained on", describe_mix(rows, facts)


def _tell_training(shelf: Shelf, line: Line) -> Iterator[tuple[str, str]]:
    last = student_name(line.training.plan[-1])
    student, answers, history = shelf.frame(last), shelf.frame("evaluation"), shelf.frame("champion")
    if answers is not None:
        told = {row["model"]: row for row in summarise(answers).filter(leaf=ALL, origin=ALL).iter_rows(named=True)}
        shown = [f"{name} {_percent(told[name])}" for name in ("base", "tuned", "teacher", "champion") if name in told]
        left_out = shelf.facts("evaluation").get("contaminated", 0)
        beside = f"; left out {left_out} that stand in what is trained on" if left_out else ""
        yield "accuracy", f"{' → '.join(shown[:2])} ({', '.join(shown[2:])}), on {told['tuned']['problems']} problems{beside}"
    matches = shelf.part("evaluation", MATCHES) if shelf.facts("evaluation").get("judged") else None
    if matches is not None and matches.height:
        yield "win rate", escape("; ".join(tell_win_rate(matches, rival) for rival in matches["rival"].unique(maintain_order=True)))
    if history is not None and student is not None:
        judged = history.filter(student=student["revision"][0])
        yield "champion", escape(judged["reason"][-1]) if judged.height else "not judged"
    if student is not None:
        facts = shelf.facts(last)
        crowned = ", champion" if history is not None and find_champion(history) == student["revision"][0] else ""
        named = (
            f"{facts['mlflow_model']} version {facts['mlflow_version']} (candidate{crowned})" if "mlflow_version" in facts else "not told"
        )
        yield "model", escape(student["model"][0])
        yield "MLflow", f"{named}, {_name_mlflow(shelf.home)}"


def _name_mlflow(home: Home) -> str:
    """Where it lies; of one that the environment names, the variable's name, as its value may hold a password."""
    own = str(home.mlflow) in os.environ.get("MLFLOW_TRACKING_URI", str(home.mlflow))
    return str(home.mlflow) if own else "the one of $MLFLOW_TRACKING_URI"


def _percent(row: dict[str, float]) -> str:
    return f"{row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}]".replace("[", "\\[")


def tell_faults(survey: Survey) -> Iterator[str]:
    """What is wrong in the seeds, and what a licence refused."""
    if count := len(survey.faults):
        yield f"\n[red]{count} fault{'' if count == 1 else 's'} in the seeds; their leaves were left out:[/red]"
        yield from (f"  {escape(str(fault))}" for fault in survey.faults)
    if survey.refusals:
        yield f"\n[yellow]{len(survey.refusals)} refused by licence:[/yellow]"
        yield from (f"  {escape(refusal)}" for refusal in survey.refusals)


def _tell_next(shelf: Shelf) -> Iterator[str]:
    accepted = shelf.frame("accepted")
    yield "\nNext: [bold]factory report --open[/bold] for the data card; [bold]factory ui[/bold] for the graph and MLflow;"
    record = accepted["record_id"][0] if accepted is not None and accepted.height else "RECORD_ID"
    yield f"      [bold]factory trace {record}[/bold] walks a record back to its seeds. Change a leaf or the line's YAML, and run again.\n"
