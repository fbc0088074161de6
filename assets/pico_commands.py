"""The commands `factory pico …`, which make the bundled models."""

from pathlib import Path
from typing import Annotated

import typer

from factory.faults import FactoryError

pico = typer.Typer(help="The bundled model family.", no_args_is_help=True)


@pico.command("pretrain")
def pretrain(
    out: Annotated[Path, typer.Option(help="Folder for the models, one folder each.")] = Path("weights"),
    taxonomy: Annotated[Path | None, typer.Option(help="Taxonomy whose examples are kept out of the text; else the bundled one.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be given several times.")] = None,
) -> None:
    """Make the bundled models from random weights by their recipe. Takes hours on a CPU."""
    from assets.console import OUT
    from factory.pico.family import pretrain as pretrain_family
    from factory.pico.models import PICO_MODELS
    from resources.home import project_folder

    unknown = sorted(set(model or []) - set(PICO_MODELS))
    if unknown:
        raise FactoryError(f"There is no pico model {unknown[0]!r}; there are {', '.join(PICO_MODELS)}.")
    pretrain_family(out, taxonomy or project_folder() / "taxonomy", model or PICO_MODELS, lambda said: OUT.print(said, markup=False))


@pico.command("forms")
def tune_forms(
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("pico-forms"),
    taxonomy: Annotated[Path | None, typer.Option(help="Taxonomy whose examples are kept out of the text; else the bundled one.")] = None,
) -> None:
    """Tune a copy of the bundled teacher to the forms of every bundled flow. Takes minutes on a CPU; killed, it goes on."""
    from assets.console import OUT
    from factory.pico.family import make_forms
    from resources.home import project_folder

    make_forms(out, taxonomy or project_folder() / "taxonomy", lambda said: OUT.print(said, markup=False))
