"""`factory estimate`: what a line will ask of its models, from its seeds as they are now, and the table that says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from assets.console import ERR
from assets.judge_cost import foresee_matches, tell_foreseen
from assets.run import RunFailedError, preview_line
from assets.seeds import collect_leaf, count_text, read_seeds
from factory.faults import FactoryError
from factory.generation.chat import ParkedError
from factory.generation.estimate import CONFIDENCE, Estimate, Figure, Range, count_planned, estimate_line
from factory.generation.ledger import Ledger
from factory.generation.plan import list_teachers
from factory.generation.quota import count_most
from factory.generation.spending import BudgetSpentError
from factory.line import Line
from factory.reward.models import name_reward_model
from factory.reward.rubric import load_rubric
from factory.seeds.documents import collect_documents
from factory.training.judge_cost import JudgeCost
from resources.home import Home
from resources.lock import hold_line
from resources.models import Models


@dataclass(frozen=True)
class RunEstimate:
    """What a run of a line will ask: to write candidates, and to compare its student's answers; null where nobody compares them."""

    written: Estimate
    compared: JudgeCost | None


def estimate_run(home: Home, line: Line, units: int) -> RunEstimate:
    """The estimate of a run of the whole line from the ledger in `home`, each flow by at least `units` units.

    Raises FactoryError where no leaf can be made, RunFailedError where a server does not answer or the budget is spent on the trial alone,
    LineBusyError where a run holds the line.
    """
    preview_line(line)
    spec, models = line.generation, Models()
    teachers = [models.teacher(section) for section in list_teachers(spec)]
    judge = models.teacher(spec.judge) if spec.judge else None
    home.root.mkdir(parents=True, exist_ok=True)
    with hold_line(home, line.name):
        survey = read_seeds(line)
        if not survey.leaves:
            raise FactoryError("No leaf can be made:\n" + "\n".join(f"  {reason}" for reason in survey.reasons))
        for reason in survey.reasons:
            ERR.print(f"left out: {reason}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        leaves = survey.leaves.values()
        seeds = pl.concat([collect_leaf(line, leaf) for leaf in leaves])
        count = partial(count_text, teachers[0])
        documents = pl.concat([collect_documents(leaf, line.seeds.chunk_tokens, count) for leaf in leaves])
        # Before the trial, so that a judge whose tokens cannot be counted is told of before anybody is asked.
        compared = foresee_matches(home, line, models, seeds)
        with Ledger(home.ledger(line.name)) as ledger:
            try:
                written = estimate_line(
                    sorted(survey.leaves), seeds, documents, spec, teachers, ledger, line.seed, judge=judge, units=units
                )
            except (ParkedError, BudgetSpentError) as error:
                raise RunFailedError(f"No estimate: {error}") from error
        return RunEstimate(written, compared)


def draw_estimate(line: Line, foreseen: RunEstimate) -> Iterator[Table | str]:
    """The table of what is still to be asked, by flow, step and model, what it rests on, and who is asked beside."""
    spec, estimate = line.generation, foreseen.written
    total = estimate.total
    table = Table(box=SIMPLE_HEAD, title=f"{line.name}: {estimate.candidates:,} candidates, still to be asked", title_justify="left")
    table.add_column("flow, step, model", overflow="fold")
    for title in ("requests", "tokens read", "tokens written", "money"):
        table.add_column(title, justify="right", no_wrap=True)
    for flow in estimate.flows:
        table.add_row(f"[bold]{escape(flow.flow)}[/bold]", *_write_figure(flow))
        for figure in estimate.figures:
            if figure.flow == flow.flow:
                table.add_row(f"  {escape(figure.step)}\n  [dim]{escape(figure.model)}[/dim]", *_write_figure(figure))
        table.add_section()
    table.add_row("[bold]all flows[/bold]", *_write_figure(total))
    yield table
    yield f"Expected values over their {CONFIDENCE:.0%} intervals, which rest on whole units of each flow:"
    for name, (units, sampled, leaves) in estimate.rests_on.items():
        yield f"  {escape(name)}: {units:,} units of {sampled:,} of its {leaves:,} leaves"
    yield f"Free, as the ledger holds it: {estimate.held:,} requests."
    if estimate.asked.requests:
        local = any(model.server is None for model in (*list_teachers(spec), *([spec.judge] if spec.judge else [])))
        kept = "not kept, as what a model in this process answers depends on its batch" if local else "kept for the run"
        yield f"Newly asked for this estimate, and {kept}: {estimate.asked.describe()}."
    yield _write_time(estimate)
    if spec.accepted_per_leaf is not None:
        most, counted = count_most(spec), count_planned(spec)
        yield (
            f"Counted where every candidate is accepted: {counted:,} of a leaf. With accepted_per_leaf {spec.accepted_per_leaf:,} a leaf "
            f"may be given up to {most:,}, which is {most / counted:.3g} times this."
        )
    yield from _tell_others(line, foreseen)
    if spec.budget is not None:
        yield _write_budget(line, estimate)


def _tell_others(line: Line, foreseen: RunEstimate) -> Iterator[str]:
    """Who is asked beside those of the table."""
    if line.reward.judges:
        questions = sum(len(load_rubric(judge.rubric).steps) for judge in line.reward.judges)
        yield (
            f"Not in it: the {len(line.reward.judges)} judges of the reward stage, who are asked up to "
            f"{questions * foreseen.written.candidates:,} requests, and again where an answer does not parse; that counts towards the "
            "budget."
        )
    if line.reward.server is not None:
        read = "that parses" if line.reward.scope == "all" else "that no verifier decides"
        yield f"Not counted: {name_reward_model(line.reward)}, asked once for each candidate {read}, which its server may charge for."
    if foreseen.compared is not None:
        yield tell_foreseen(line, foreseen.compared)


def _write_figure(figure: Figure) -> tuple[str, ...]:
    counts = (figure.requests, figure.prompt_tokens, figure.completion_tokens)
    return (*(_write_range(count, ",.0f") for count in counts), _write_range(figure.cost, ",.3g") if figure.cost.value else "–")


def _write_range(value: Range, form: str) -> str:
    if value.low is None or value.high is None:
        return f"{value.value:{form}}\n[dim]one unit[/dim]"
    low, high = f"{value.low:{form}}", f"{value.high:{form}}"
    return f"{value.value:{form}}" if low == high else f"{value.value:{form}}\n[dim]{low}–{high}[/dim]"


def _write_time(estimate: Estimate) -> str:
    if not estimate.total.requests.value:
        return "Time: none, nothing is left to be asked."
    if estimate.seconds is None:
        return "Time: not measured, as nothing was asked for this estimate; --units with a greater number tries more."
    best, worst = (timedelta(seconds=round(seconds)) for seconds in estimate.seconds)
    return f"Time: {best} with every model at its full bound and as fast as in the trial, to {worst} if it is no faster than the trial was."


def _write_budget(line: Line, estimate: Estimate) -> str:
    budget = line.generation.budget
    assert budget is not None
    tokens = estimate.total.prompt_tokens.value + estimate.total.completion_tokens.value
    needed = [(tokens, budget.tokens, "tokens"), (estimate.total.cost.value, budget.money, "money")]
    runs = max(value / bound for value, bound, _ in needed if bound is not None)
    bounds = " and ".join(f"{bound:,} {name}" for _, bound, name in needed if bound is not None)
    return f"The budget of a run is {bounds}: " + ("one run is enough." if runs <= 1 else f"about {runs:.1f} runs are needed.")
