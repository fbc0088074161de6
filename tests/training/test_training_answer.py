"""Greedy answers in batches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_student import CONTEXT_TOKENS, save_student, write_records
from transformers import AutoTokenizer, GenerationConfig

from factory.generation.local_teacher import LocalTeacher
from factory.pico.models import resolve_model
from factory.training import Problem, answer_problems


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With weights so far apart that different prompts get different answers."""
    return save_student(tmp_path_factory.mktemp("talkative"), spread=0.5)


def make_problem(number: int, instruction: str, context: str | None = None) -> Problem:
    return Problem(f"p{number:03}", "leaf", "en", "fresh", instruction, context, "reference", None)


def problems() -> list[Problem]:
    return [
        make_problem(number, instruction, context)
        for number, (instruction, context) in enumerate(write_records(20, seed=3).select("instruction", "context").iter_rows())
    ]


def test_answers_do_not_depend_on_order_or_batch(student: Path) -> None:
    asked = problems()
    answers = answer_problems(student, asked, max_new_tokens=12, batch_size=6)
    assert answers == answer_problems(str(student), asked, max_new_tokens=12, batch_size=1)
    assert answers[::-1] == answer_problems(student, asked[::-1], max_new_tokens=12, batch_size=6)
    assert len(set(answers)) > 1


def test_more_tokens_only_lengthen_an_answer(student: Path) -> None:
    asked = problems()
    short, long = (answer_problems(student, asked, max_new_tokens=most, batch_size=20) for most in (4, 12))
    assert all(after.startswith(before) for before, after in zip(short, long, strict=True))
    assert short != long


def test_problem_without_room_for_an_answer_gets_the_empty_one(student: Path) -> None:
    asked = [make_problem(1, "apple " * CONTEXT_TOKENS), make_problem(2, "What is 2 + 2?")]
    crowded, answered = answer_problems(student, asked, max_new_tokens=8, batch_size=2)
    assert crowded == ""
    assert answered != ""


def test_progress_ends_at_all_problems(student: Path) -> None:
    told: list[tuple[int, int]] = []
    answer_problems(student, problems(), 2, 8, lambda done, total: told.append((done, total)))
    assert told == [(8, 20), (16, 20), (20, 20)]


def test_a_model_with_an_adapter_answers_as_the_two_merged(student: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(student), config)
    adapted.save_pretrained(tmp_path / "adapter")
    shutil.copytree(student, tmp_path / "merged")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    asked = problems()
    answers = answer_problems(LocalTeacher(str(student), None, 6, str(tmp_path / "adapter")), asked, 12, 6)
    assert answers == answer_problems(tmp_path / "merged", asked, 12, 6)
    assert answers != answer_problems(student, asked, 12, 6)


def test_an_answer_ends_where_the_template_ends_a_turn_though_the_model_names_another_end(tmp_path: Path) -> None:
    """As Qwen2.5's base. A student that learnt nothing would beat it by stopping alone."""
    base = Path(shutil.copytree(resolve_model("pico-teacher"), tmp_path / "base"))
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": "<|pad|>"}))
    GenerationConfig(eos_token_id=AutoTokenizer.from_pretrained(base).eos_token_id).save_pretrained(base)
    asked = problems()[:4]
    answers = answer_problems(base, asked, 24, 4)
    assert answers == answer_problems("pico-teacher", asked, 24, 4)
    assert all(answer and "<|" not in answer for answer in answers)
    # A teacher stops where it says itself.
    assert any("<|end|>" in answer for answer in answer_problems(LocalTeacher(str(base)), asked, 24, 4))


def test_no_problems_open_no_model() -> None:
    assert answer_problems("pico-absent", [], 8, 8) == []
