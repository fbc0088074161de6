"""A tiny teacher, and leaves to generate from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_llama import save_tiny_model

from factory.generation.local_teacher import LocalTeacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, SEED, empty, record_id

LEAF = "compositional_skills/words/reverse_words"
QUESTIONS = tuple(f"Reverse the order of these words: {words}" for words in ("apple tree", "cat dog", "sun moon", "red blue", "pen ink"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-teacher")


@pytest.fixture(scope="session")
def tiny_teacher(tiny_model: Path) -> LocalTeacher:
    return LocalTeacher(str(tiny_model), batch_size=8)


@pytest.fixture
def make_seeds() -> Callable[..., pl.DataFrame]:
    def make(
        questions: tuple[str, ...] = QUESTIONS, contexts: tuple[str | None, ...] | None = None, leaf: str = LEAF, **columns: Any
    ) -> pl.DataFrame:
        rows = []
        for question, context in zip(questions, contexts or (None,) * len(questions), strict=True):
            row = {"leaf": leaf, "kind": leaf.split("_", maxsplit=1)[0].split("/")[0], "language": "en", "question": question}
            row |= {"answer": "answer", "context": context, "licence": "Apache-2.0", "groups": [{"name": "domain", "value": "words"}]}
            row |= {
                "verifier": "reversed_words",
                "verifier_settings": '{"least":2}',
                "problems": None,
                "split": "seed",
                "source": "qna.yaml:3",
                "depth": 0,
            } | columns
            rows.append({"record_id": record_id("seed", {"question": question, "context": context, "leaf": leaf}), **row})
        return pl.DataFrame(rows, schema=SEED)

    return make


@pytest.fixture
def make_documents() -> Callable[..., pl.DataFrame]:
    def make(texts: tuple[str, ...], leaf: str = LEAF, licence: str = "Apache-2.0", depth: int = 0) -> pl.DataFrame:
        rows = [
            {"record_id": record_id("document", {"text": text}), "leaf": leaf, "language": "en", "document": "a.md", "heading": "A"}
            | {"text": text, "licence": licence, "document_digest": "0" * 64, "depth": depth}
            for text in texts
        ]
        return pl.DataFrame(rows, schema=DOCUMENT) if rows else empty(DOCUMENT)

    return make


@pytest.fixture
def no_documents() -> pl.DataFrame:
    return empty(DOCUMENT)


@pytest.fixture
def small_spec() -> GenerationSpec:
    return GenerationSpec.model_validate(
        {
            "candidates_per_leaf": 20,
            "examples_per_prompt": 2,
            "instruction": {"temperature": 1.0, "max_new_tokens": 24},
            "response": {"temperature": 0.8, "max_new_tokens": 16},
        }
    )
