"""What the studies of students share: a seed number's candidates, plans tuned on one budget of tokens, and what a student forgot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from assets.seeds import count_text, read_seeds
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.line import GenerationSpec, Line
from factory.pico.corpus import Corpus
from factory.pico.family import read_excluded
from factory.pico.pretrain import write_dialogues
from factory.pico.recipe import STUDENT
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.seeds import collect_documents, collect_examples
from factory.training import choose_data, choose_pairs, train_phase, train_preference
from factory.training.data import encode_records
from factory.training.forgetting import measure_texts
from factory.training.student import open_tokenizer
from factory.training_spec import PhaseSpec
from factory.validation.evidence import Evidence

PRETRAINING, DOCUMENTS = "pretraining text", "documents"
HELD_OUT_SEED = 10_000
"""Added to the seed number: the recipe's own draws are of its small seed numbers."""


@dataclass(frozen=True)
class Material:
    """A line with its seed examples and its document chunks."""

    line: Line
    seeds: pl.DataFrame
    documents: pl.DataFrame


@dataclass(frozen=True)
class Tuned:
    """A student's folder, and what each phase of its plan read: rows of phases (phase, own, replayed, tokens, steps, margins)."""

    folder: str
    phases: list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """What a seed number gave; each frame has `seed`."""

    answers: pl.DataFrame
    texts: pl.DataFrame
    phases: pl.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Found | None:
        """What `write` has written, if it got to its end."""
        files = [folder / f"{name}.parquet" for name in cls.__annotations__]
        return cls(*map(pl.read_parquet, files)) if all(file.is_file() for file in files) else None

    def write(self, folder: Path) -> None:
        for name in self.__annotations__:
            unfinished = folder / f"{name}.unfinished"
            getattr(self, name).write_parquet(unfinished)
            unfinished.replace(folder / f"{name}.parquet")


def run_seeds(seeds: Iterable[int], work: Path, run: Callable[[int, Path], Found]) -> Found:
    """What `run` finds in each seed number, in a folder of its own in `work`; what is there already is read back."""
    found = []
    for seed in seeds:
        folder = work / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        if (done := Found.read(folder)) is None:
            done = run(seed, folder)
            done.write(folder)
        found.append(done)
    return Found(*(pl.concat(getattr(each, name) for each in found) for name in Found.__annotations__))


def read_material(line: Line) -> Material:
    """The material that every seed number shares."""
    leaves, count = read_seeds(line).leaves.values(), partial(count_text, LocalTeacher(line.generation.teacher.model))
    examples = pl.concat(collect_examples(leaf, line.seeds.holdout) for leaf in leaves)
    documents = pl.concat(collect_documents(leaf, line.seeds.chunk_tokens, count) for leaf in leaves)
    return Material(line, examples, documents)


def write_candidates(material: Material, leaves: Iterable[str], seed: int, ledger: Path, change: Mapping[str, Any]) -> pl.DataFrame:
    """The candidates of `leaves` in one seed number, by the line's section `generation` with the keys of `change` put in."""
    spec = GenerationSpec.model_validate(material.line.generation.model_dump() | dict(change))
    teacher = LocalTeacher(spec.teacher.model, batch_size=spec.teacher.batch_size)
    with Ledger(ledger) as store:
        return pl.concat(generate_candidates(leaf, material.seeds, material.documents, spec, [teacher], store, seed) for leaf in leaves)


def decide(material: Material, candidates: pl.DataFrame, ledger: Path) -> pl.DataFrame:
    """The candidates with the verdict of the line itself."""
    line = material.line
    scored = score_candidates(candidates, line.reward, lambda: open_reward_model(line.reward, ledger))
    return decide_verdicts(scored, material.seeds, line.reward, line.validation.personal_data, line.mixing.greatest_depth)


def tune_plan(plan: Sequence[PhaseSpec], records: pl.DataFrame, student: str, folder: Path, seed: int, tokens: int) -> Tuned:
    """The student of a supervised plan that reads `tokens` tokens in all, in equally many passes over the rows of each phase.

    Checkpoints are not kept, whatever the plan says: that changes no student.
    """
    chosen = [choose_data(plan, number, records, student, seed) for number in range(len(plan))]
    tokenizer = open_tokenizer(student)
    once = [
        sum(len(row.ids) for row in encode_records(tokenizer, data.records, phase.max_length).rows)
        for phase, data in zip(plan, chosen, strict=True)
    ]
    base, phases = student, []
    for phase, data, size in zip(plan, chosen, once, strict=True):
        share = round(tokens * size / sum(once))
        spec = phase.model_copy(update={"epochs": None, "tokens": share, "keep_checkpoints": False})
        trained = train_phase(spec, data.records, base, folder / phase.name, seed)
        base = str(trained.folder)
        phases.append({"phase": phase.name, "own": data.own, "replayed": data.replayed, "tokens": share, "steps": trained.steps})
    return Tuned(base, phases)


def prefer(phase: PhaseSpec, pairs: pl.DataFrame, verdicts: pl.DataFrame, base: str, folder: Path, seed: int, material: Material) -> Tuned:
    """The student of `base` that a preference phase makes of those of `pairs`, made of `verdicts`, that the line lets it read."""
    line, accepted = material.line, verdicts.filter(verdict="accepted")
    evidence = Evidence(accepted, material.seeds, material.documents, pairs=pairs, personal_data=line.validation.personal_data)
    chosen = choose_pairs(phase, evidence, base, line.reward.contamination)
    trained = train_preference(phase, chosen.pairs, base, folder, seed)
    before, after = trained.margins or (None, None)
    read = {"phase": phase.name, "own": trained.records, "replayed": 0, "tokens": trained.tokens_read, "steps": trained.steps}
    return Tuned(str(trained.folder), [read | {"margin_before": before, "margin_after": after}])


def write_texts(material: Material, seed: int, count: int) -> dict[str, pl.DataFrame]:
    """Texts that no student was tuned to write, by kind, with columns text_id and text: at most `count` new dialogues of the kind that the
    base was pretrained on, without what it has read, and the chunks of the documents.

    Students may have read a chunk as the context of a prompt, on which there is no loss.
    """
    corpus, tokenizer = Corpus(read_excluded(material.line.seeds.taxonomy)), open_tokenizer(material.line.training.student)
    (stage,) = STUDENT.stages
    read = {_show(dialogue) for dialogue in write_dialogues(corpus, STUDENT, 0, stage.dialogues)}
    new = write_dialogues(corpus, replace(STUDENT, seed=HELD_OUT_SEED + seed), 0, count)
    unread = tokenizer.apply_chat_template([dialogue for dialogue in new if _show(dialogue) not in read], tokenize=False)
    return {
        PRETRAINING: pl.DataFrame({"text_id": [f"{at}/{seed}" for at in range(len(unread))], "text": unread}),
        DOCUMENTS: material.documents.select("text", text_id="record_id"),
    }


def _show(dialogue: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(message["content"] for message in dialogue)


def read_texts(name: str, student: str, texts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """How well `student`, which the frame calls `name`, predicts each text: WINDOWS of factory.training.forgetting, model and kind."""
    return pl.concat(measure_texts(student, each).with_columns(model=pl.lit(name), kind=pl.lit(kind)) for kind, each in texts.items())
