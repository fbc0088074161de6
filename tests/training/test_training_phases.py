"""Phases in a row: how long, at which rate, from which student, which checkpoint, and what is not done again."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_student import make_records, save_student, write_records
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.faults import FactoryError
from factory.training import Holdout, answer_problems, fingerprint_phase, read_trained_on, train_phase
from factory.training.answer import Problem
from factory.training.data import encode_records
from factory.training.selection import Selection
from factory.training_spec import PhaseSpec
from factory.tuning.order import plan_tokens

RECORDS = write_records(24)
HOLDOUT = write_records(6, seed=5)


def phase(name: str = "sft", **settings: object) -> PhaseSpec:
    return PhaseSpec.model_validate({"name": name, "epochs": 2, "batch_size": 4, "save_steps": 3, "learning_rate": 5e-3} | settings)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def measure(folder: Path, tokenizer: Path) -> float:
    """Held-out nats per trained token, one example at a time."""
    model, nats = AutoModelForCausalLM.from_pretrained(folder), []
    for row in encode_records(AutoTokenizer.from_pretrained(tokenizer), HOLDOUT, 128).rows:
        with torch.inference_mode():
            each = cross_entropy(model(torch.tensor([row.ids])).logits[0, :-1], torch.tensor(row.ids[1:]), reduction="none")
        nats += each[torch.tensor(row.trained[1:])].tolist()
    return sum(nats) / len(nats)


def test_the_second_phase_begins_at_the_first_ones_student_and_leaves_it_alone(student: Path, tmp_path: Path) -> None:
    steps: list[str] = []

    def train(second: PhaseSpec) -> tuple[Path, Path]:
        first = train_phase(phase("first"), RECORDS.head(12), str(student), tmp_path / "first", 0, lambda *_: steps.append("first"))
        then = train_phase(second, RECORDS, str(first.folder), tmp_path / second.name, 0, lambda *_: steps.append(second.name))
        return first.folder, then.folder

    still, same = train(phase("still", learning_rate=1e-30))
    assert steps.count("first") == 6
    for name, tensor in weights(still).items():
        assert torch.equal(tensor, weights(same)[name]), name
    before = (still / "model.safetensors").read_bytes()
    first, moved = train(phase("other"))
    assert steps.count("first") == 6
    assert (first / "model.safetensors").read_bytes() == before != (moved / "model.safetensors").read_bytes()


def test_a_second_phase_that_was_stopped_goes_on_and_the_first_is_not_done_again(student_with_dropout: Path, tmp_path: Path) -> None:
    def train(folder: Path, stop: int | None = None) -> tuple[Path, list[tuple[str, int]]]:
        done: list[tuple[str, int]] = []
        base = str(student_with_dropout)
        for name, rows in (("first", 8), ("second", 24)):

            def tell(step: int, *_: object, name: str = name) -> None:
                done.append((name, step))
                if (name, step) == ("second", stop):
                    raise KeyboardInterrupt

            base = str(train_phase(phase(name), RECORDS.head(rows), base, folder / name, 3, tell).folder)
        return Path(base), done

    whole, _ = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop=8)
    again, done = train(tmp_path / "cut")
    assert done == [("second", step) for step in range(7, 13)]
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_the_best_checkpoint_is_the_student_and_all_are_kept(tmp_path: Path, student: Path) -> None:
    spec = phase(epochs=40, learning_rate=3e-2, save_steps=10, select="holdout_loss", keep_checkpoints=True, schedule="constant")
    trained = train_phase(spec, RECORDS.head(12), str(student), tmp_path, 0, holdout=Holdout(HOLDOUT))
    steps = [step for step, _ in trained.held_out_losses]
    assert steps == list(range(10, 121, 10)) == sorted(int(path.name) for path in (tmp_path / "steps").iterdir())
    assert trained.held_out == 6
    for step, loss in trained.held_out_losses:
        assert loss == pytest.approx(measure(tmp_path / "steps" / str(step), tmp_path / "steps" / str(step)), rel=1e-4)
    assert trained.step == min(trained.held_out_losses, key=lambda pair: pair[1])[0] < 120
    kept = tmp_path / "steps" / str(trained.step)
    assert (trained.folder / "model.safetensors").read_bytes() == (kept / "model.safetensors").read_bytes()
    assert not {"optimizer.pt", "trainer_state.json", "whole"} & {path.name for path in kept.iterdir()}
    assert (trained.folder / "config.json").read_bytes() == (student / "config.json").read_bytes(), "it answers with its caches"
    assert trained.steps == 120


def test_the_records_that_were_read_are_kept_and_no_others(student: Path, tmp_path: Path) -> None:
    """Left out are one that is too long, and of half a pass the other half."""
    records = pl.concat([RECORDS.head(12), make_records([("Say", None, "apple " * 200)]).with_columns(record_id=pl.lit("too long"))])
    whole, half = (train_phase(phase(epochs=epochs, batch_size=4), records, str(student), tmp_path / str(epochs), 0) for epochs in (1, 0.5))
    kept, part = (read_trained_on(each.folder) for each in (whole, half))
    assert kept is not None and part is not None and whole.left_out == {"too_long": 1}
    assert kept["record_id"].to_list() == sorted(RECORDS.head(12)["record_id"]) and set(kept["role"]) == {"record"}
    assert set(part.rows()) < set(kept.rows()) and part.height == 6


def test_the_checkpoint_of_most_right_answers_is_the_student_and_of_equals_the_earliest(tmp_path: Path, student: Path) -> None:
    """Asked is what it learns by heart; the verifier decides where the reference is nonsense."""
    records = RECORDS.head(9)
    wanted = [(None, answer) if row % 3 else ("arithmetic", "nonsense") for row, answer in enumerate(records["response"])]
    asked = records.with_columns(
        verifier=pl.Series([verifier for verifier, _ in wanted], dtype=pl.String),
        response=pl.Series([answer for _, answer in wanted]),
        language=pl.lit("en"),
        verifier_settings=pl.lit(None, pl.String),
    )
    spec = phase(epochs=60, learning_rate=2e-2, save_steps=15, select="holdout_accuracy", keep_checkpoints=True, schedule="constant")
    holdout, told = Holdout(asked, 40, 4), list[tuple[int, int]]()

    def be_killed(done: int, checkpoints: int) -> None:
        told.append((done, checkpoints))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_phase(spec, records, str(student), tmp_path, 0, holdout=holdout, on_measured=be_killed)
    assert told == [(1, 9), (2, 9), (3, 9)]
    file = tmp_path / "checkpoints" / "measured.json"
    measured = json.loads(file.read_text())
    measured["15"][0] = 99.0
    file.write_text(json.dumps(measured))
    trained = train_phase(spec, records, str(student), tmp_path, 0, lambda *_: pytest.fail("a step is done again"), holdout)
    for step, (loss, accuracy) in measured.items():
        told_of = dict(trained.held_out_losses)[int(step)], dict(trained.held_out_accuracies)[int(step)]
        assert told_of == (loss, accuracy), "it is not measured again"
    steps, right = zip(*trained.held_out_accuracies, strict=True)
    assert steps == tuple(range(15, 136, 15)) == tuple(step for step, _ in trained.held_out_losses)
    assert right[0] < max(right) and right.count(max(right)) > 1
    assert trained.step == steps[right.index(max(right))] < 135
    problems = [Problem(row["record_id"], "l", "en", "holdout", row["instruction"], row["context"], "", None) for row in records.to_dicts()]
    for step, share in trained.held_out_accuracies:
        answers = answer_problems(tmp_path / "steps" / str(step), problems, 40, 4)
        assert share == pytest.approx(sum(a == b for a, b in zip(answers, records["response"], strict=True)) / 9)
    kept = tmp_path / "steps" / str(trained.step) / "model.safetensors"
    assert (trained.folder / "model.safetensors").read_bytes() == kept.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint", "finished.json", "model", "steps", "trained_on.parquet"]


def test_of_equal_losses_the_earliest_wins() -> None:
    assert Selection(((2, 0.7), (4, 0.5), (6, 0.5), (8, 0.6)), ()).step == 4


def test_what_a_selection_by_answers_depends_on_names_its_work(student: Path) -> None:
    examples = HOLDOUT.with_columns(verifier=pl.lit(None, pl.String), verifier_settings=pl.lit(None, pl.String))

    def name(select: str, holdout: Holdout) -> str:
        return fingerprint_phase(phase(select=select), RECORDS, str(student), 0, holdout)

    judged = examples.with_columns(verifier=pl.lit("number"))
    for other in (Holdout(judged), Holdout(examples, 7), Holdout(examples, batch_size=7), Holdout(examples.head(5))):
        assert name("holdout_accuracy", other) != name("holdout_accuracy", Holdout(examples))
    assert name("holdout_loss", Holdout(judged, 7)) == name("holdout_loss", Holdout(examples))
    assert name("last", Holdout(examples.head(5))) == name("last", Holdout(examples))
    assert name("holdout_accuracy", Holdout(examples.reverse())) == name("holdout_accuracy", Holdout(examples))


def test_a_selection_with_nothing_to_select_by_is_refused(student: Path, tmp_path: Path) -> None:
    spec = phase(select="holdout_loss")
    with pytest.raises(FactoryError, match=r"phase 'sft': select is holdout_loss, but no held-out example can be read \(1 too_long\)"):
        train_phase(spec, RECORDS, str(student), tmp_path, 0, holdout=Holdout(make_records([("Say", None, "apple " * 200)])))


def test_accumulated_batches_are_one_step(student: Path, tmp_path: Path) -> None:
    whole = train_phase(phase(batch_size=8, epochs=1), RECORDS, str(student), tmp_path / "whole", 0)
    parts = train_phase(phase(batch_size=2, gradient_accumulation=4, epochs=1), RECORDS, str(student), tmp_path / "parts", 0)
    assert whole.steps == parts.steps == 3
    for name, tensor in weights(whole.folder).items():
        assert torch.allclose(tensor, weights(parts.folder)[name], atol=1e-4), name


def test_activations_that_are_computed_twice_give_the_same_student(student: Path, tmp_path: Path) -> None:
    kept = train_phase(phase(epochs=1), RECORDS, str(student), tmp_path / "kept", 0)
    twice = train_phase(phase(epochs=1, gradient_checkpointing=True), RECORDS, str(student), tmp_path / "twice", 0)
    for name, tensor in weights(kept.folder).items():
        assert torch.allclose(tensor, weights(twice.folder)[name], atol=1e-5), name


def test_the_rate_after_warm_up_is_that_of_the_schedule(student: Path, tmp_path: Path) -> None:
    last: dict[str, list[float]] = {}
    for schedule in ("constant", "linear", "cosine"):
        spec = phase(schedule=schedule, epochs=4, warmup_ratio=0.25, keep_checkpoints=True, save_steps=1)
        train_phase(spec, RECORDS, str(student), tmp_path / schedule, 0)
        steps = [weights(tmp_path / schedule / "steps" / str(step))["model.norm.weight"] for step in range(1, 25)]
        last[schedule] = [float((after - before).abs().max()) for before, after in pairwise(steps)]
    # Adam moves the weights by about the rate: at the end nothing at a rate that goes to 0.
    assert last["constant"][-1] > 5 * last["linear"][-1]
    assert last["constant"][-1] > 5 * last["cosine"][-1]
    # Half way after warm-up both are near a half; a quarter before the end the cosine is below the line.
    assert last["cosine"][-4] < last["linear"][-4]


def test_a_phase_of_one_step_learns(student: Path, tmp_path: Path) -> None:
    trained = train_phase(phase(epochs=1, batch_size=24), RECORDS, str(student), tmp_path, 0)
    assert trained.steps == 1
    assert not torch.equal(weights(trained.folder)["model.norm.weight"], weights(student)["model.norm.weight"])


def test_a_phase_ends_once_its_tokens_are_read(student: Path, tmp_path: Path) -> None:
    lengths = [len(row.ids) for row in encode_records(AutoTokenizer.from_pretrained(student), RECORDS, 128).rows]
    for tokens in (1, sum(lengths) // 3, sum(lengths), 2 * sum(lengths) + 7):
        order = plan_tokens(lengths, tokens, 4, seed=0)
        read = [lengths[row] for row in order]
        assert sum(read) >= tokens > sum(read[:-1])
    spec = phase(epochs=None, tokens=sum(lengths) // 2)
    trained = train_phase(spec, RECORDS, str(student), tmp_path, 0)
    assert 2 <= trained.steps <= 4
    assert trained.tokens == sum(lengths) and sum(lengths) // 2 <= (trained.tokens_read or 0) < sum(lengths)
    assert plan_tokens([], 10, 4, seed=0) == []


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    bare = save_student(tmp_path / "bare")
    settings = (bare / "tokenizer_config.json").read_text()
    assert '"eos_token"' in settings
    (bare / "tokenizer_config.json").write_text(settings.replace('"eos_token"', '"unused_token"'))
    with pytest.raises(FactoryError, match=r"no EOS token, .* `eos_token` in its tokenizer_config.json"):
        train_phase(phase(), RECORDS, str(bare), tmp_path / "work", 0)
