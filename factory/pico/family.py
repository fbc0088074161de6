"""Makes the whole pico family, or some of it, and keeps the bundled taxonomy out of what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from factory.faults import FactoryError
from factory.pico.corpus import Corpus, normalise
from factory.pico.models import PICO_MODELS
from factory.pico.recipe import RECIPES, TEACHER


def pretrain(out: Path, taxonomy: Path, models: Sequence[str] = PICO_MODELS, report: Callable[[str], None] = print) -> None:
    """Makes `models` in subfolders of `out`; every instruction of `taxonomy`, held out or not, is excluded from what they read.

    The student and the reward model take their tokenizer from the teacher in `out`. Raises FactoryError where it is missing.
    """
    from transformers import AutoTokenizer

    from factory.pico.pretrain import make_tokenizer, pretrain_language_model, pretrain_reward_model

    corpus = Corpus(read_excluded(taxonomy))
    teacher = out / TEACHER.model
    for model in sorted(models, key=[*RECIPES].index):
        recipe, folder = RECIPES[model], out / model
        if recipe is TEACHER:
            pretrain_language_model(corpus, recipe, make_tokenizer(corpus, recipe), folder, report)
            continue
        if not (teacher / "tokenizer.json").is_file():
            raise FactoryError(f"{model} takes its tokenizer from the teacher, and {teacher} holds none: make pico-teacher first.")
        if model == "pico-reward":
            pretrain_reward_model(corpus, recipe, teacher, folder, report)
        else:
            pretrain_language_model(corpus, recipe, AutoTokenizer.from_pretrained(teacher), folder, report)


def make_forms(out: Path, taxonomy: Path, report: Callable[[str], None] = print) -> None:
    """Makes pico-forms in `out` from the bundled teacher, with every instruction of `taxonomy` kept out of what it reads.

    Killed, the next call goes on. Raises FactoryError where the disk refuses a write, InputFaults where the taxonomy cannot be read.
    """
    from factory.pico.tune_forms import tune_forms

    tune_forms(Corpus(read_excluded(taxonomy)), out, report)


def read_excluded(taxonomy: Path) -> frozenset[str]:
    """The normalised instructions of every example of a taxonomy. Raises InputFaults where a leaf cannot be read."""
    from factory.faults import InputFaults
    from factory.seeds.taxonomy import read_taxonomy

    tree = read_taxonomy(taxonomy)
    if tree.faults:
        raise InputFaults(f"taxonomy {taxonomy}", tree.faults)
    return frozenset(normalise(example.question) for leaf in tree.leaves.values() for example in leaf.examples)
