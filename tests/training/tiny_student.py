"""A tiny student with random weights, and records to tune it on."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
from tiny_models import make_tiny_model
from transformers import GenerationConfig, LlamaForCausalLM

from factory.pico.tokenizer import train_tokenizer
from factory.problems import write_problem
from factory.records import TURNS

CONTEXT_TOKENS = 128
COLUMNS = ("record_id", "leaf", "instruction", "context", "response")


def make_records(rows: list[tuple[str, str | None, str]]) -> pl.DataFrame:
    """Records of (instruction, context, response)."""
    data = [(f"r{index:04}", "leaves/any", *row) for index, row in enumerate(rows)]
    frame = pl.DataFrame(data, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    return frame.with_columns(pl.lit(None, TURNS).alias("turns"))


def write_records(count: int, seed: int = 0) -> pl.DataFrame:
    """Records of three leaves, one of them grounded."""
    rng = random.Random(seed)
    rows: list[tuple[str, str | None, str]] = []
    for index in range(count):
        name = ("addition", "reverse_words", "sort_words")[index % 3]
        problem = write_problem(name, rng, "pretraining")
        rows.append((problem.instruction, "Apples grow on trees." if name == "sort_words" else None, problem.response))
    return make_records(rows)


def save_student(folder: Path, hidden: int = 16, dropout: float = 0.0, spread: float = 0.02) -> Path:
    """A Llama of one layer with random weights of standard deviation `spread`, and a tokenizer of the pico kind."""
    texts = [text for row in write_records(60, seed=9).iter_rows() for text in row[2:] if text]
    tokenizer = train_tokenizer(texts)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    form = {"num_hidden_layers": 1, "tie_word_embeddings": True, "initializer_range": spread, "attention_dropout": dropout}
    model = make_tiny_model(LlamaForCausalLM, tokenizer, CONTEXT_TOKENS, hidden=hidden, **form, **ends)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
