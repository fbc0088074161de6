"""The command `factory calibrate`: which options belong together, and what they measure."""

from pathlib import Path
from typing import Annotated

import typer

from factory.faults import FactoryError


def calibrate(
    labelled: Annotated[Path | None, typer.Argument(help="Labelled examples: JSONL, CSV or Parquet (docs/judges.md).")] = None,
    line: Annotated[str | None, typer.Option(help="The line whose reward model and judges are measured.")] = None,
    judge: Annotated[
        int | None, typer.Option(min=1, help="Only this judge of the line, counted from 1; that of the pairs is last.")
    ] = None,
    reward: Annotated[bool, typer.Option("--reward", help="Only the line's reward model.")] = False,
    against: Annotated[str | None, typer.Option(help="'verifiers': the line's own candidates that a verifier decided.")] = None,
    model: Annotated[str | None, typer.Option(help="A model of no line: with --rubric a judge, without a reward model.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    rubric: Annotated[str | None, typer.Option(help="A bundled rubric, or a file.")] = None,
    server: Annotated[str | None, typer.Option(help="Where the model listens, as in http://localhost:8000/v1.")] = None,
    key_variable: Annotated[str | None, typer.Option(help="Name of the environment variable that holds the server's key.")] = None,
    good_from: Annotated[float | None, typer.Option(help="Least score that people gave a good response.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Take so many of the examples, by hash.")] = None,
) -> None:
    """Measure judges and reward models against labelled examples: accuracy, kappa, biases, calibration; the card shows it."""
    from assets.calibrate import calibrate_line, calibrate_model, draw_calibrations, read_examples
    from assets.console import OUT
    from assets.run import open_line
    from factory.model_spec import ServerSpec
    from resources.home import find_home

    if (line is None) == (model is None):
        raise FactoryError("Give --line for a line's reward model and judges, or --model for a model of no line.")
    if judge is not None and reward:
        raise FactoryError("Give --judge or --reward, not both; without either all are measured.")
    of_a_model = {"--revision": revision, "--rubric": rubric, "--server": server, "--key-variable": key_variable}
    given = [name for name, value in of_a_model.items() if value is not None]
    if line is not None and given:
        raise FactoryError(f"{given[0]} is of --model; a line says it in its reward section.")
    if line is None and (judge is not None or reward):
        raise FactoryError("--judge and --reward are of --line.")
    opened = None if line is None else open_line(line)
    examples = read_examples(find_home(), opened, labelled, against, good_from, most)
    if opened is not None:
        calibrated = calibrate_line(find_home(), opened, examples, judge, reward=reward)
    else:
        served = None if server is None else ServerSpec(base_url=server, key_variable=key_variable)
        calibrated = calibrate_model(find_home(), examples, str(model), revision, rubric, served)
    for part in draw_calibrations(calibrated, line):
        OUT.print(part, highlight=False, soft_wrap=isinstance(part, str))
