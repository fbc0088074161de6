"""Language models trained on text of the model before, under every policy: the experiment of Shumailov et al. 2024 (Nature 631:755)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from factory.collapse_study.corpus import BLOCK, Corpus, Tokens
from factory.collapse_study.figures import FIGURE, REAL_SHARE
from factory.collapse_study.measures import Measured, Tail, find_tail, measure_perplexity, measure_text, split_words
from factory.collapse_study.models import Shape, judge_windows, open_saved, train_model, write_windows
from factory.records import digest
from factory.spec import Spec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.order import plan_order
from factory.tuning.work_folder import WorkFolder
from factory.validation.intervals import Z

NAME = "language"
POLICIES = ("replace", "kept", "accumulate")
FIRST = "first"
"""What the model that read only real text is called, and the policy of its rows: it belongs to all policies."""
REAL = "real"
"""The policy of the rows that measure the real text itself."""
FILE = "windows.npz"
TRAINING, WRITING = 0.6, 0.35
"""About what shares of a generation's time are training and writing; the rest is judging."""

OnShare = Callable[[str, float], None]
"""Called with what is being made, and how many generations, the one in flight in part, are done."""


class Language(Spec):
    """The experiment: `runs` chains of `generations` models after the first, each policy by itself; every model reads as many tokens."""

    generations: int = Field(default=5, ge=1, le=99)
    tokens: int = Field(default=98_304, ge=2_048, description="Tokens of real text to learn from; each generation writes as many.")
    epochs: float = Field(default=4.0, gt=0, description="How often the first model reads the real text; all others take as many steps.")
    beams: int = Field(default=1, ge=1, le=16, description="1 samples; 5 is the beam search of Shumailov et al.")
    runs: int = Field(default=1, ge=1, le=99, description="Whole repetitions with other seeds.")
    shape: Shape = Shape()

    @property
    def pieces(self) -> int:
        """How many models are made."""
        return self.runs * (1 + len(POLICIES) * self.generations)


@dataclass(frozen=True)
class Generation:
    """A model that was made. `text`: what it wrote; `losses`: its loss on each held-out window; `strangeness`: the loss of the first model
    on each window of `text`, in nats a token. `digest` names the work that made it."""

    policy: str
    run: int
    number: int
    folder: Path
    digest: str
    text: Tokens
    losses: NDArray[np.float64]
    strangeness: NDArray[np.float64]


@dataclass(frozen=True)
class Ended:
    """The FIGURE rows, and every generation for what a report shows beside them."""

    figures: pl.DataFrame
    generations: tuple[Generation, ...]


def run_language(corpus: Corpus, settings: Language, seed: int, folder: Path, on_share: OnShare = lambda what, done: None) -> Ended:
    """All models of the experiment, in subfolders of `folder`, and what was measured of them.

    Killed at any moment, the next call goes on after the last whole generation. Raises FactoryError where a loss is no number or the disk
    refuses a write.
    """
    made: list[Generation] = []
    with keep_quiet(), reproduce():
        for run in range(settings.runs):
            chains = _Chains(corpus, settings, seed, run, folder, len(made), on_share)
            made += chains.make()
    split = split_words(corpus.decode(corpus.train))
    tails = [find_tail(split, n) for n in (1, 2)]
    rows = [_row(REAL, 0, 0, name, value, len(split)) for name, value in measure_text(split, tails).items()]
    firsts = {generation.run: generation for generation in made if generation.policy == FIRST}
    for generation in made:
        rows += _measure(corpus, generation, firsts[generation.run], tails)
    return Ended(pl.DataFrame(rows, schema=FIGURE), tuple(made))


@dataclass
class _Chains:
    """The chains of one run."""

    corpus: Corpus
    settings: Language
    seed: int
    run: int
    folder: Path
    done: int
    on_share: OnShare

    def make(self) -> Iterator[Generation]:
        real = self.corpus.train
        first = self._make_one(FIRST, 0, real, [], None)
        yield first
        texts = {policy: [first.text] for policy in POLICIES}
        past = {policy: [first.digest] for policy in POLICIES}
        for number in range(1, self.settings.generations + 1):
            for policy in POLICIES:
                rng = np.random.default_rng([self.seed, self.run, number, POLICIES.index(policy)])
                data = choose_data(policy, real, texts[policy], rng)
                generation = self._make_one(policy, number, data, past[policy], first)
                texts[policy].append(generation.text)
                past[policy].append(generation.digest)
                yield generation

    def _make_one(self, policy: str, number: int, data: Tokens, past: Sequence[str], first: Generation | None) -> Generation:
        place = self.folder / f"run-{self.run}" / (FIRST if policy == FIRST else f"{policy}-{number}")
        name = f"{policy} {number}" if policy != FIRST else FIRST
        spec = self.settings.model_dump(mode="json", exclude={"generations", "runs"})
        key = digest([NAME, spec, self.seed, self.run, policy, number, self.corpus.train.tolist() if first is None else list(past)])
        work = WorkFolder(place, key)
        if work.read_summary() is None:
            with explain_writes(name, place):
                work.open()
                self._write(name, work, key, data, first)
        self.done += 1
        self.on_share(name, self.done)
        kept = np.load(work.model / FILE)
        return Generation(policy, self.run, number, place, key, kept["text"], kept["losses"], kept["strangeness"])

    def _write(self, name: str, work: WorkFolder, key: str, data: Tokens, first: Generation | None) -> None:
        """Trains a model on `data`, has it write and judges, and keeps it all."""
        settings, corpus = self.settings, self.corpus
        seed = int(key[:8], 16)
        # As many steps as the first model took, however much there is to read: no policy gains by longer training.
        epochs = settings.epochs * len(corpus.train) / len(data)
        order = plan_order([1] * len(data), epochs, settings.shape.batch_windows, seed)

        def on_step(step: int, steps: int, loss: float) -> None:
            self.on_share(f"{name}: step {step}/{steps}, loss {loss:.2f}", self.done + TRAINING * step / steps)

        def on_batch(batch: int, batches: int) -> None:
            self.on_share(f"{name}: writing {batch}/{batches}", self.done + TRAINING + WRITING * batch / batches)

        model = train_model(corpus, settings.shape, data, order, work, seed, on_step)
        text = write_windows(model, corpus.train[:, -BLOCK:], settings.beams, settings.shape.written_at_once, seed, on_batch)
        judge: Any = model if first is None else open_saved(first.folder / "model")
        losses, strangeness = judge_windows(model, corpus.held_out), judge_windows(judge, text)

        def save(target: Path) -> None:
            model.save_pretrained(target)
            corpus.tokenizer.save_pretrained(target)
            np.savez_compressed(target / FILE, text=text, losses=losses, strangeness=strangeness)

        work.keep(save, {"name": name, "windows": len(data)})


def choose_data(policy: str, real: Tokens, texts: Sequence[Tokens], rng: np.random.Generator) -> Tokens:
    """What the next model reads, given the real windows and what each model so far wrote, the newest last.

    replace: the newest text alone. kept: as much, of which REAL_SHARE are real windows, drawn anew for each generation. accumulate: the
    real text and all that was written since (Gerstgrasser et al. 2024, arXiv 2404.01413).
    """
    if policy == "accumulate":
        return np.concatenate([real, *texts])
    if policy == "kept":
        kept = round(REAL_SHARE * len(real))
        drawn = rng.choice(len(real), kept, replace=False), rng.choice(len(texts[-1]), len(texts[-1]) - kept, replace=False)
        return np.concatenate([real[drawn[0]], texts[-1][drawn[1]]])
    return texts[-1]


def _measure(corpus: Corpus, made: Generation, first: Generation, tails: Sequence[Tail]) -> list[dict[str, Any]]:
    gained = made.losses - first.losses
    mean, error = float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(gained.size))
    held = {"perplexity": measure_perplexity(made.losses), "loss_gained": (mean, mean - Z * error, mean + Z * error)}
    own = {"own_perplexity": measure_perplexity(made.strangeness)} | measure_text(split_words(corpus.decode(made.text)), tails)
    sizes = ((held, len(made.losses)), (own, len(made.text)))
    return [_row(made.policy, made.run, made.number, name, value, size) for measured, size in sizes for name, value in measured.items()]


def _row(policy: str, run: int, number: int, statistic: str, measured: Measured, size: int) -> dict[str, Any]:
    value, low, high = measured
    return {
        "experiment": NAME,
        "policy": policy,
        "statistic": statistic,
        "run": run,
        "generation": number,
        "value": value,
        "low": low,
        "high": high,
        "relation": None,
        "expected": None,
        "z": None,
        "size": size,
    }
