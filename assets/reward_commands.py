"""The command `factory reward train`: settings of a training from options, and whose MLflow experiment is told."""

from pathlib import Path
from typing import Annotated

import typer

from assets.endings import EXIT_CODES
from factory.faults import FactoryError

reward = typer.Typer(help="Reward models.", no_args_is_help=True)


@reward.command("train", epilog=EXIT_CODES)
def train_reward(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Preference pairs or rated responses: JSON lines or Parquet, also .gz.")],
    base: Annotated[str, typer.Option(help="What is trained on: a bundled model, a folder or a hub id; a language model or an encoder.")],
    out: Annotated[Path, typer.Option(help="Folder for the model, in its folder model; a killed training goes on from there.")],
    kind: Annotated[str, typer.Option(help="pairs: chosen and rejected. attributes: rated as HelpSteer2.")] = "pairs",
    line: Annotated[str | None, typer.Option(help="Log to the MLflow experiment of this line; else to reward_models.")] = None,
    epochs: Annotated[float, typer.Option()] = 1.0,
    batch_size: Annotated[int, typer.Option(help="Pairs, or rated responses, of one step.")] = 16,
    learning_rate: Annotated[float, typer.Option()] = 2e-5,
    max_length: Annotated[int, typer.Option(help="Tokens of a dialogue; what is longer is left out.")] = 1024,
    holdout: Annotated[float, typer.Option(help="Share of the prompts that is held out.")] = 0.1,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train a reward model on preference pairs (TRL) or on five rated attributes, and say how well it does on held-out rows."""
    from pydantic import ValidationError

    from assets.reward_training import train_and_tell
    from assets.run import open_line
    from factory.reward.training import RewardTraining
    from resources.home import find_home

    experiment = open_line(line).name if line else None
    try:
        settings = RewardTraining(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, max_length=max_length, holdout=holdout, seed=seed
        )
    except ValidationError as error:
        told = "; ".join(f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg']}" for fault in error.errors())
        raise FactoryError(f"{told}.") from None
    train_and_tell(find_home(), file, base, out, kind, settings, experiment)
