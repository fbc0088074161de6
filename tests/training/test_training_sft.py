"""A phase of tuning: what it learns, what it says of itself, and what it refuses."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_student import CONTEXT_TOKENS, make_records, save_student, write_records
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.faults import FactoryError
from factory.records import PREFERENCE
from factory.training import Problem, answer_problems, fingerprint_phase, fingerprint_preference, train_phase
from factory.training_spec import PhaseSpec

PHASE = PhaseSpec(name="sft", epochs=2, batch_size=8, save_steps=5)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_tuned_student_answers_what_it_was_taught(tmp_path: Path) -> None:
    student = save_student(tmp_path / "student", hidden=48)
    records = write_records(12)
    phase = PhaseSpec(name="sft", epochs=60, batch_size=12, learning_rate=2e-2, save_steps=1000)
    steps: list[tuple[int, int, float]] = []
    trained = train_phase(phase, records, str(student), tmp_path / "work", 0, lambda *step: steps.append(step))
    problems = [
        Problem(row["record_id"], "leaf", "en", "holdout", row["instruction"], row["context"], row["response"], None)
        for row in records.iter_rows(named=True)
    ]
    answers = answer_problems(trained.folder, problems, max_new_tokens=40, batch_size=5)
    assert sum(answer == problem.reference for answer, problem in zip(answers, problems, strict=True)) >= 11
    assert [(step, total) for step, total, _ in steps] == [(step, 60) for step in range(1, 61)]
    assert trained.losses == tuple((step, loss) for step, _, loss in steps)


def test_loss_is_of_the_assistants_tokens_alone(student: Path, tmp_path: Path) -> None:
    records = write_records(6)
    trained = train_phase(PhaseSpec(name="sft", epochs=1, batch_size=6), records, str(student), tmp_path, 0)
    tokenizer, model = AutoTokenizer.from_pretrained(student), AutoModelForCausalLM.from_pretrained(student)
    losses = []
    for row in records.iter_rows(named=True):
        user = f"{row['context']}\n\n{row['instruction']}" if row["context"] else row["instruction"]
        prompt = tokenizer(f"<|user|>{user}<|end|><|assistant|>", add_special_tokens=False)["input_ids"]
        answer = tokenizer(f"{row['response']}<|end|>", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        losses += torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none").tolist()
    assert trained.losses[0][1] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_phase_counts_what_it_used_and_left_out(student: Path, tmp_path: Path) -> None:
    good = write_records(9)
    long = make_records([("Repeat.", None, "apple " * CONTEXT_TOKENS), ("Say nothing.", None, " ")])
    records = pl.concat([good, long.with_columns(record_id="x" + pl.col("record_id"))])
    trained = train_phase(PHASE.model_copy(update={"max_length": 4000}), records, str(student), tmp_path / "work", 0)
    assert (trained.records, trained.steps) == (9, 3)
    assert trained.left_out == {"empty_response": 1, "too_long": 1}
    assert trained.tokens == train_phase(PHASE, good, str(student), tmp_path / "good", 0).tokens > 9 * 10


def test_finished_model_opens_and_leaves_nothing_else_behind(student: Path, tmp_path: Path) -> None:
    trained = train_phase(PHASE, write_records(8), str(student), tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint", "finished.json", "model", "trained_on.parquet"]
    assert "training_args.bin" not in {path.name for path in trained.folder.iterdir()}
    assert json.loads((trained.folder / "config.json").read_text()) == json.loads((student / "config.json").read_text())
    assert AutoTokenizer.from_pretrained(trained.folder).chat_template == AutoTokenizer.from_pretrained(student).chat_template
    assert not torch.are_deterministic_algorithms_enabled()


def test_finished_phase_is_returned_at_once(student: Path, tmp_path: Path) -> None:
    records = write_records(8)
    steps: list[int] = []
    first = train_phase(PHASE, records, str(student), tmp_path, 0, lambda step, *_: steps.append(step))
    again = train_phase(
        PHASE.model_copy(update={"save_steps": 1}), records.reverse(), str(student), tmp_path, 0, lambda step, *_: steps.append(step)
    )
    assert again == first
    assert steps == [1, 2]


@pytest.mark.parametrize("change", ["seed", "records", "rate"])
def test_other_work_in_the_same_folder_is_done_anew(change: str, student: Path, tmp_path: Path) -> None:
    records = write_records(8)
    first = weights(train_phase(PHASE, records, str(student), tmp_path, 0).folder)
    phase = PHASE.model_copy(update={"learning_rate": 5e-3}) if change == "rate" else PHASE
    other = train_phase(phase, write_records(8, seed=1) if change == "records" else records, str(student), tmp_path, int(change == "seed"))
    assert weights(other.folder) != first


def test_same_work_gives_the_same_bytes_and_fingerprint(student: Path, tmp_path: Path) -> None:
    records = write_records(20)
    shuffled = records.sample(fraction=1.0, shuffle=True, seed=5)
    one, two = (train_phase(PHASE, frame, str(student), tmp_path / name, 7) for name, frame in (("one", records), ("two", shuffled)))
    assert weights(one.folder) == weights(two.folder)
    assert one.losses == two.losses
    assert one.fingerprint == two.fingerprint == fingerprint_phase(PHASE, records, str(student), 7)


def test_fingerprint_follows_the_base_but_not_its_place(student: Path, tmp_path: Path) -> None:
    records = write_records(4)
    copied = Path(shutil.copytree(student, tmp_path / "copy"))
    wider = save_student(tmp_path / "wider", hidden=32)
    assert fingerprint_phase(PHASE, records, str(student), 0) == fingerprint_phase(PHASE, records, str(copied), 0)
    assert fingerprint_phase(PHASE, records, str(student), 0) != fingerprint_phase(PHASE, records, str(wider), 0)


def test_bases_of_the_hub_are_never_taken_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fingerprint_phase(PHASE, write_records(4), "someone/one", 0) != fingerprint_phase(PHASE, write_records(4), "someone/other", 0)
    other, pairs = PHASE.model_copy(update={"method": "dpo"}), pl.DataFrame(schema=PREFERENCE)
    assert fingerprint_preference(other, pairs, "someone/one", 0) != fingerprint_preference(other, pairs, "someone/other", 0)


def test_refuses_a_release_of_which_nothing_is_left(student: Path, tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match=r"none of 0 records .*the release is empty"):
        train_phase(PHASE, write_records(0), str(student), tmp_path, 0)
    with pytest.raises(FactoryError, match=r"none of 6 records .*6 too_long"):
        train_phase(PHASE.model_copy(update={"max_length": 8}), write_records(6), str(student), tmp_path, 0)


def test_refuses_a_student_that_cannot_be_tuned(student: Path, tmp_path: Path) -> None:
    records = write_records(4)
    with pytest.raises(FactoryError, match="cannot be opened"):
        train_phase(PHASE, records, str(tmp_path / "absent"), tmp_path / "work", 0)
    bare = Path(shutil.copytree(student, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(FactoryError, match="no chat template"):
        train_phase(PHASE, records, str(bare), tmp_path / "work", 0)


def test_stops_at_a_loss_that_is_no_number(student: Path, tmp_path: Path) -> None:
    phase = PhaseSpec(name="sft", epochs=8, batch_size=4, learning_rate=1e38, warmup_ratio=0.5, save_steps=1)
    with pytest.raises(FactoryError, match=r"phase 'sft': the loss or its gradient is no number at step \d+ of 16. Lower"):
        train_phase(phase, write_records(8), str(student), tmp_path, 0)
    assert not (tmp_path / "model").exists()
    (kept,) = (tmp_path / "checkpoints").glob("checkpoint-1")
    assert (kept / "whole").is_file()
    assert all(tensor.isfinite().all() for tensor in load_file(kept / "model.safetensors").values())


def test_weights_that_overflow_are_in_no_checkpoint_and_no_student(student: Path, tmp_path: Path) -> None:
    """The loss of the step whose update overflows is a number still."""
    for steps, save_steps in ((1, 50), (4, 1)):
        phase = PhaseSpec(name="sft", epochs=steps, batch_size=8, learning_rate=1e39, warmup_ratio=0, save_steps=save_steps)
        with pytest.raises(FactoryError, match=rf"phase 'sft': weights are no numbers after step 1 of {steps}. Lower the learning rate"):
            train_phase(phase, write_records(8), str(student), tmp_path, 0)
        assert not (tmp_path / "model").exists() and not list((tmp_path / "checkpoints").iterdir())


def test_a_base_whose_weights_are_no_numbers_is_told_from_a_rate_that_is_too_high(student: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(student, tmp_path / "base"))
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"][3] = torch.inf
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(FactoryError, match=r"no number at step 1 of 2. No weight was changed before it, so it is the model that the"):
        train_phase(PHASE, write_records(8), str(base), tmp_path / "work", 0)
    assert not (tmp_path / "work" / "model").exists()


def test_a_disk_that_fills_after_the_last_step_is_named_and_only_the_end_is_done_again(tmp_path: Path) -> None:
    student, limits = save_student(tmp_path / "student", hidden=4), resource.getrlimit(resource.RLIMIT_FSIZE)
    most_bytes = (student / "tokenizer.json").stat().st_size - 1
    assert (student / "model.safetensors").stat().st_size < most_bytes / 2, "the checkpoint fits"
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        with pytest.raises(FactoryError, match=r"phase 'sft': .*/work cannot be written: File too large .* from the last whole checkpoint"):
            train_phase(PHASE, write_records(8), str(student), tmp_path / "work", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    steps: list[int] = []
    trained = train_phase(PHASE, write_records(8), str(student), tmp_path / "work", 0, lambda step, *_: steps.append(step))
    assert steps == [] and (trained.folder / "tokenizer.json").is_file()
