"""Makes pico-forms: a copy of the bundled teacher, tuned on requests of all bundled flows until it keeps to their forms."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import polars as pl

from factory.pico.corpus import Corpus, Messages
from factory.pico.models import resolve_model
from factory.pico.recipe import FORMS, TuningRecipe
from factory.pico.rehearsal import Stage
from factory.training.sft import train_phase
from factory.training_spec import PhaseSpec

WORK = "work"
LOG_STEPS = 50


def tune_forms(corpus: Corpus, out: Path, report: Callable[[str], None], recipe: TuningRecipe = FORMS) -> None:
    """Makes the model in `out`, a Hugging Face folder; the base stays as it is. Killed, the next call goes on from a checkpoint.

    Raises FactoryError where the disk refuses a write.
    """
    started, work = time.monotonic(), out / WORK
    records = write_records(corpus, recipe)
    report(f"{recipe.model}: {recipe.dialogues:,} dialogues, {recipe.forms:.0%} of them requests of bundled flows")
    phase = PhaseSpec(
        name="forms",
        epochs=1,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        max_length=recipe.context_tokens,
    )

    def tell(step: int, steps: int, loss: float) -> None:
        if step % LOG_STEPS == 0 or step == steps:
            report(f"{recipe.model}: step {step:,} of {steps:,}, loss {loss:.3f}")

    base = copy_base(recipe, work / recipe.base)
    made = train_phase(phase, records, str(base), work / "phase", recipe.seed, tell)
    shutil.copytree(made.folder, out, dirs_exist_ok=True)
    figures = {"model": recipe.model, "base": recipe.base, "dialogues": made.records, "tokens": made.tokens, "loss": made.losses[-1][1]}
    figures |= {"seconds": round(time.monotonic() - started), "seed": recipe.seed}
    (out / "recipe.json").write_text(json.dumps(figures, indent=2) + "\n")
    shutil.rmtree(work)


def copy_base(recipe: TuningRecipe, folder: Path) -> Path:
    """The base with its context made longer, in `folder`: positions are rotary, so that no weight depends on it."""
    shutil.copytree(resolve_model(recipe.base), folder, dirs_exist_ok=True)
    for name, key in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(settings | {key: recipe.context_tokens}, indent=2) + "\n")
    return folder


def write_records(corpus: Corpus, recipe: TuningRecipe) -> pl.DataFrame:
    """The dialogues as records that a phase is trained on."""
    rows = [
        {"record_id": str(place), "instruction": turns[0]["content"], "context": None, "response": turns[-1]["content"], "turns": turns}
        for place, turns in enumerate(write_dialogues(corpus, recipe))
    ]
    return pl.DataFrame(rows, schema_overrides={"context": pl.String})


def write_dialogues(corpus: Corpus, recipe: TuningRecipe) -> Iterator[Messages]:
    """Requests of flows with their answers, then what the base has learned already."""
    rng = random.Random(recipe.seed)
    forms = round(recipe.forms * recipe.dialogues)
    rehearsals = Stage(corpus, recipe.base).rehearse_all(rng, recipe.flows)
    yield from islice(chain.from_iterable(rehearsal.dialogues for rehearsal in rehearsals), forms)
    for name in rng.choices(list(recipe.mixture), list(recipe.mixture.values()), k=recipe.dialogues - forms):
        yield getattr(corpus, name)(rng)
