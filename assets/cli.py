"""The command line `factory`: what its commands are called and take, and which function does the work."""

import os
import sys
import warnings
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from assets.calibrate_command import calibrate
from assets.endings import EXIT_CODES, FAILED, OK, explain
from assets.mt_bench_command import mt_bench
from assets.pico_commands import pico
from assets.reward_commands import reward
from factory.faults import FactoryError

DEFAULT_LINE = "bundled"

app = typer.Typer(
    name="factory",
    help="A production line for training data: seed examples in, a checked dataset and a tuned student out.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.add_typer(pico, name="pico")
app.add_typer(reward, name="reward")

LineName = Annotated[str, typer.Argument(metavar="LINE", help="Name of a line in lines/, or the path of its YAML file.")]


@app.callback()
def prepare(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and Dagster's own log.")] = False) -> None:
    """Sets the environment up before any library is loaded."""
    from resources.home import find_home, prepare_environment

    os.environ["FACTORY_DEBUG"] = "1" if debug else ""
    if not debug:
        warnings.simplefilter("ignore")
    prepare_environment(find_home())


@app.command(epilog=EXIT_CODES)
def run(
    line: LineName = DEFAULT_LINE,
    leaf: Annotated[list[str] | None, typer.Option(help="Make only this leaf, up to the verdict; may be given several times.")] = None,
    refresh: Annotated[
        bool, typer.Option(help="Make every frame anew; the teacher is still asked only for what it was never asked.")
    ] = False,
    ask_failed_again: Annotated[bool, typer.Option(help="Ask again for what was given up while a server failed.")] = False,
) -> None:
    """Make a line: seeds, generation, reward, validation, release, training. What has not changed is reused."""
    from assets.console import OUT
    from assets.run import GatesFailedError, open_line, run_line
    from assets.story import tell_gates_failed, tell_run
    from resources.home import find_home

    opened = open_line(line)
    log_level = "INFO" if os.environ["FACTORY_DEBUG"] else "CRITICAL"
    try:
        ended = run_line(find_home(), opened, leaf or [], refresh=refresh, ask_failed_again=ask_failed_again, log_level=log_level)
    except GatesFailedError:
        for told in tell_gates_failed(find_home(), opened):
            OUT.print(told, highlight=False, soft_wrap=True)
        raise
    for told in tell_run(find_home(), opened, ended.survey, ended.spending, whole=not leaf):
        OUT.print(told, highlight=False, soft_wrap=True)


@app.command(epilog=EXIT_CODES)
def estimate(
    line: LineName = DEFAULT_LINE,
    units: Annotated[
        int, typer.Option(min=1, help="Units that each flow's figures rest on at least; what the ledger does not hold is tried.")
    ] = 5,
) -> None:
    """Say what a line will ask of its models, in requests, tokens, money and time, from a trial of a few calls; answers are kept."""
    from assets.console import OUT
    from assets.estimate import draw_estimate, estimate_run
    from assets.run import open_line
    from resources.home import find_home

    opened = open_line(line)
    for part in draw_estimate(opened, estimate_run(find_home(), opened, units)):
        OUT.print(part, highlight=False, soft_wrap=isinstance(part, str))


app.command("calibrate", epilog=EXIT_CODES)(calibrate)


@app.command()
def status(line: LineName = DEFAULT_LINE) -> None:
    """Show what a line has stored, when it was made, and its last runs."""
    from assets.console import OUT
    from assets.run import open_line
    from assets.seeds import read_seeds
    from assets.status import draw_status
    from resources.home import find_home, prepare_stores

    opened = open_line(line)
    prepare_stores(find_home())
    for part in draw_status(find_home(), opened, read_seeds(opened, fetch=False)):
        OUT.print(part, highlight=False, soft_wrap=isinstance(part, str))


@app.command()
def trace(record_id: Annotated[str, typer.Argument(metavar="RECORD_ID", help="A record's id, or its first digits.")]) -> None:
    """Walk a record back to its seeds, prompt, teacher and scores, and forward to the releases and models that hold it."""
    from assets.console import OUT
    from assets.trace import trace_in_home
    from factory.release.trace_view import draw_trace
    from resources.home import find_home, prepare_stores

    prepare_stores(find_home())
    OUT.print(draw_trace(trace_in_home(find_home(), record_id)))


@app.command(epilog=EXIT_CODES)
def lint(
    seeds: Annotated[
        str, typer.Argument(metavar="[TAXONOMY|LINE]", help="Folder of a taxonomy, or a line (name or YAML file) with all its seeds.")
    ] = DEFAULT_LINE,
) -> None:
    """Name every fault of a taxonomy, or of all seeds of a line, with file and line; ends with the number of leaves and of faults."""
    from assets.console import OUT
    from assets.run import open_line
    from assets.seeds import read_seeds
    from factory.problems import WRITERS
    from factory.reward.verifiers import SETTINGS, warn_of_references
    from factory.seeds.taxonomy import read_taxonomy

    if Path(seeds).is_dir():
        taxonomy = read_taxonomy(Path(seeds), verifiers=SETTINGS, problems=WRITERS)
        leaves, faults, said = taxonomy.leaves, taxonomy.faults, taxonomy.notices
        said = (*said, *warn_of_references({path: leaf.verifier for path, leaf in leaves.items()}, lambda leaf: True))
    else:
        survey = read_seeds(open_line(seeds))
        leaves, faults, said = survey.leaves, survey.faults, (*survey.notices, *survey.refusals)
    for told in (*said, *map(str, faults)):
        OUT.print(told, markup=False, highlight=False, soft_wrap=True)
    OUT.print(f"{len(leaves)} leaves, {len(faults)} faults", highlight=False)
    raise typer.Exit(FAILED if faults else OK)


@app.command(epilog=EXIT_CODES)
def validate(
    real: Annotated[Path, typer.Argument(metavar="REAL", help="What the synthetic table was made from: CSV, JSON lines, Parquet.")],
    synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="The synthetic table.")],
    holdout: Annotated[Path | None, typer.Option(help="Real rows that the generator has never seen; privacy is measured by them.")] = None,
    spec: Annotated[Path | None, typer.Option(help="YAML: kinds and roles of columns, gates, waivers (docs/validation.md).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the card and the values; else SYNTHETIC-validation beside it.")] = None,
) -> None:
    """Measure a synthetic table against the real one: fidelity, privacy, fairness; a gate table and a card. Needs no line and no home."""
    from assets.validate import validate_table

    raise typer.Exit(OK if validate_table(real, synthetic, holdout, spec, out) else FAILED)


@app.command(epilog=EXIT_CODES)
def report(
    line: LineName = DEFAULT_LINE,
    browser: Annotated[bool, typer.Option("--open", help="Open the card in a browser.")] = False,
) -> None:
    """Show where the latest data card lies, and the gate table."""
    from assets.console import OUT
    from assets.run import open_line
    from assets.shelf import open_shelf
    from assets.status import draw_gates, find_card
    from resources.home import find_home, prepare_stores

    name = open_line(line).name
    prepare_stores(find_home())
    gates, card = open_shelf(find_home(), name).frame("gates"), find_card(find_home(), name)
    if gates is None:
        raise FactoryError(f"Line {name} has no gate table yet: `factory run {line}` makes one.")
    OUT.print(draw_gates(gates))
    OUT.print(
        f"card: {card}" if card else "No release yet: a gate failed, or the run did not come so far.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if browser and card:
        webbrowser.open(card.as_uri())


@app.command("collapse-study", epilog=EXIT_CODES)
def collapse_study(
    out: Annotated[Path | None, typer.Option(help="Folder for report, figures and plots; else collapse-study in .factory.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only these: gaussians, regression, categories, language; comma between, or given again.")
    ] = None,
    text: Annotated[list[Path] | None, typer.Option(help="Plain text for the language models; else text that the repo writes.")] = None,
    seed: Annotated[int, typer.Option(help="Another number, other draws.")] = 0,
    generations: Annotated[int | None, typer.Option(help="Language models after the first; 5 if not given.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens of text that each of them learns from; 98304 if not given.")] = None,
    beams: Annotated[int | None, typer.Option(help="1 samples; 5 writes by beam search as the paper did, and takes longer.")] = None,
    runs: Annotated[int | None, typer.Option(help="Whole repetitions of the language models; 1 if not given, the paper had 5.")] = None,
) -> None:
    """Reproduce the science of model collapse: recursive fits against closed forms, and language models on their own text."""
    from assets.collapse_study import study_and_tell
    from factory.collapse_study.study import plan_study
    from resources.home import find_home

    folder = (out or find_home().root / "collapse-study").absolute()
    settings = {"generations": generations, "tokens": tokens, "beams": beams, "runs": runs}
    made = study_and_tell(plan_study(only or [], text or [], folder, seed, **settings), folder)
    raise typer.Exit(OK if made.agrees else FAILED)


@app.command(epilog=EXIT_CODES)
def ui(
    dagster_port: Annotated[int, typer.Option(help="Port of Dagster's pages.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    cards_port: Annotated[int, typer.Option(help="Port of the data cards.")] = 5001,
) -> None:
    """Serve Dagster, MLflow and the data cards on this machine's loopback, until Ctrl-C."""
    from assets.ui import Ports, serve_pages
    from resources.home import find_home

    serve_pages(find_home(), Ports(dagster_port, mlflow_port, cards_port))


@app.command(epilog=EXIT_CODES)
def serve(
    line: LineName = DEFAULT_LINE,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the API; a free one if not given.")] = None,
    host: Annotated[str, typer.Option(help="Where it listens; others than loopback let other machines in, without a key.")] = "127.0.0.1",
    phase: Annotated[str | None, typer.Option(help="The student of this phase, champion or not.")] = None,
) -> None:
    """Serve a line's tuned student, its champion or else the newest, as an API of OpenAI's form on loopback, until Ctrl-C."""
    from assets.run import open_line
    from assets.serve import serve_student
    from resources.home import find_home

    serve_student(find_home(), open_line(line), host, port, phase)


@app.command("lm-eval-tasks", epilog=EXIT_CODES)
def lm_eval_tasks(
    line: LineName = DEFAULT_LINE,
    out: Annotated[Path, typer.Option(help="Folder that lm_eval is given as --include_path; tasks go into its folder LINE.")] = Path(
        "lm_eval_tasks"
    ),
) -> None:
    """Write the problems that a line's models were evaluated on as tasks of EleutherAI's lm-eval, scored by the same verifiers."""
    from assets.lm_eval_tasks import write_line_tasks
    from assets.run import open_line
    from resources.home import find_home

    write_line_tasks(find_home(), open_line(line), out)


app.command("mt-bench", epilog=EXIT_CODES)(mt_bench)


def main() -> None:
    """Runs the command line; an error is one paragraph and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(["--debug", *arguments] if debug else arguments)
    except Exception as error:  # the boundary: past it there is only the person
        if debug:
            raise
        sys.exit(explain(error))
