"""The whole study: what was asked for is checked, every experiment made, and figures, plots and report written to one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from factory.collapse_study import categories, gaussians, language, regression
from factory.collapse_study.corpus import check_texts, read_corpus
from factory.collapse_study.figures import Verdict, judge
from factory.collapse_study.language import Generation, Language
from factory.collapse_study.wording import EXPERIMENTS, conclude
from factory.faults import FactoryError
from factory.spec_faults import suggest

WORK = "work"
"""Subfolder of the models, from which an interrupted study goes on."""
SIMULATIONS: Mapping[str, tuple[Any, Callable[..., pl.DataFrame], tuple[str, ...]]] = {
    gaussians.NAME: (gaussians.Gaussians(), gaussians.simulate, gaussians.STEPS),
    regression.NAME: (regression.Regression(), regression.simulate, regression.STEPS),
    categories.NAME: (categories.Categories(), categories.simulate, categories.STEPS),
}

OnProgress = Callable[[str, str, float, int], None]
"""Called with the experiment, what is being made, and how many of how many pieces are done; the one in flight counts in part."""


@dataclass(frozen=True)
class Study:
    """What is to be made: `experiments`, the language models by `language` on `texts` (none: text that the pico corpus writes)."""

    experiments: tuple[str, ...]
    texts: tuple[Path, ...]
    language: Language
    seed: int


@dataclass(frozen=True)
class Made:
    """What was made. `says` maps an experiment to a sentence; `files` are what a person opens, the report first."""

    study: Study
    figures: pl.DataFrame
    verdicts: tuple[Verdict, ...]
    says: dict[str, str]
    files: tuple[Path, ...]

    @property
    def agrees(self) -> bool:
        """Whether every closed form held."""
        return all(verdict.agrees for verdict in self.verdicts)


def plan_study(only: Sequence[str], texts: Sequence[Path], out: Path, seed: int, **settings: Any) -> Study:
    """The study that is asked for; `settings` are those of Language, and what is None is left at its default.

    Raises FactoryError with everything that is wrong, each under the option that says it.
    """
    faults = []
    asked = [name.strip() for names in only for name in names.split(",") if name.strip()]
    for name in dict.fromkeys(asked):
        if name not in EXPERIMENTS:
            faults.append(f"--only: there is no experiment {name!r}{suggest(name, EXPERIMENTS)}; there are {', '.join(EXPERIMENTS)}")
    if seed < 0:
        faults.append(f"--seed: {seed} is below 0.")
    chosen = {name: value for name, value in settings.items() if value is not None}
    try:
        spec = Language(**chosen)
    except ValidationError as error:
        faults += [f"--{fault['loc'][0]}: {fault['msg']}, not {fault['input']}." for fault in error.errors()]
    faults += [f"--text: {fault}" for fault in check_texts(texts)]
    standing = next(folder for folder in (out, *out.parents) if folder.exists())
    if not standing.is_dir():
        faults.append(f"--out: {standing} is a file. Give a folder.")
    if faults:
        raise FactoryError("\n".join(faults))
    experiments = tuple(name for name in EXPERIMENTS if name in asked or not asked)
    return Study(experiments, tuple(texts), spec, seed)


def run_study(study: Study, out: Path, on_progress: OnProgress = lambda experiment, what, done, pieces: None) -> Made:
    """Makes the study and writes it to `out`: report.html, figures.csv, figures.parquet and plots/*.png; models lie in `work`.

    The same study on the same machine with as many threads gives the same figures. A study that was cut off goes on after the last whole
    generation; simulations take seconds and are made again. Raises FactoryError where the text is too short or a loss is no number.
    """
    from factory.collapse_study.plots import draw_study
    from factory.collapse_study.report import render_report

    out.mkdir(parents=True, exist_ok=True)
    frames: list[pl.DataFrame] = []
    generations: tuple[Generation, ...] = ()
    corpus = None
    for name in study.experiments:
        if name == language.NAME:
            corpus = read_corpus(study.texts, study.language.tokens)
            ended = _run_language(study, corpus, out / WORK, on_progress)
            frames.append(ended.figures)
            generations = ended.generations
        else:
            frames.append(_simulate(name, study.seed, on_progress))
    figures = pl.concat(frames)
    verdicts = tuple(judge(figures))
    says = dict(conclude(figures, verdicts))
    page = render_report(study, {name: SIMULATIONS[name][0] for name in SIMULATIONS}, figures, verdicts, says, corpus, generations)
    files = {"report.html": page.encode()}
    files |= {f"plots/{name}.png": png for name, png in draw_study(figures, generations, "png").items()}
    for name, content in files.items():
        file = out / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    figures.write_csv(out / "figures.csv")
    figures.write_parquet(out / "figures.parquet")
    return Made(study, figures, verdicts, says, tuple(out / name for name in ("report.html", "figures.csv", "figures.parquet", "plots")))


def _simulate(name: str, seed: int, on_progress: OnProgress) -> pl.DataFrame:
    settings, simulate, steps = SIMULATIONS[name]
    on_progress(name, "", 0, len(steps))
    return simulate(settings, seed, lambda step: on_progress(name, step, steps.index(step) + 1, len(steps)))


def _run_language(study: Study, corpus: Any, folder: Path, on_progress: OnProgress) -> language.Ended:
    pieces = study.language.pieces
    on_progress(language.NAME, "", 0, pieces)
    return language.run_language(
        corpus, study.language, study.seed, folder / language.NAME, lambda what, done: on_progress(language.NAME, what, done, pieces)
    )
