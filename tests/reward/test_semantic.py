"""The same asked in other words, by a tiny sentence-transformers model with random weights: near in its space is what the test knows."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from reward_rows import scored, seeds
from tiny_models import make_tiny_model

from factory.faults import FactoryError
from factory.records import SEED, empty
from factory.reward.copies import find_copies
from factory.reward.semantic import Embedder, Meaning, MeaningIndex
from factory.reward_spec import RewardSpec

ORIGINS = ("holdout", "seed", "before")
POSITIONS = 64


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer with random weights and mean pooling, as the library saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    bare, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("embedder")
    make_tiny_model(BertModel, tokenizer, POSITIONS, num_hidden_layers=1, initializer_range=1.0).save_pretrained(bare)
    tokenizer.save_pretrained(bare)
    (bare / "tokenizer_config.json").write_text(
        json.dumps(json.loads((bare / "tokenizer_config.json").read_text()) | {"padding_side": "right"})
    )
    SentenceTransformer(modules=[Transformer(str(bare)), Pooling(16, pooling_mode="mean")], device="cpu").save(str(folder))
    return folder


def test_embeddings_have_length_one_and_too_long_texts_have_none(folder: Path) -> None:
    embedder = Embedder(str(folder))
    short, long, again = embedder.embed(["Say hello.", "hello " * 500, "Say hello."])
    assert long is None
    assert short is not None
    assert again is not None
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)
    assert float(short @ again) == pytest.approx(1, abs=1e-5)
    assert embedder.embed([]) == []


def test_index_finds_what_comparing_all_pairs_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.reward.semantic.BLOCK", 32)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    meanings = [Meaning(vector, "ab"[n % 2]) for n, vector in enumerate(vectors)]
    origins = [ORIGINS[n % 3] for n in range(200)]
    index = MeaningIndex(0.8, ORIGINS)
    for number in range(200):
        index.add(str(number), origins[number], meanings[number])
    for start in (0, 10, 32, 150, 200):
        expected = []
        for asked in meanings[200:]:
            cosines = [
                (origin, -float(asked.vector @ known.vector), place)
                for place, (origin, known) in enumerate(zip(origins, meanings, strict=False))
            ]
            alike = [each for each in cosines[start:] if -each[1] >= 0.8 and meanings[each[2]].context == asked.context]
            expected.append(str(min(alike, key=lambda each: (ORIGINS.index(each[0]), each[1]))[2]) if alike else None)
        found = index.search(meanings[200:], start)
        assert [each.record_id if each else None for each in found] == expected
        assert start == 200 or any(expected)


def find(
    folder: Path, rows: list[dict[str, Any]], people: pl.DataFrame | None = None, similarity: float = 0.9
) -> list[tuple[int, str, str, str]]:
    spec = RewardSpec.model_validate({"semantic": {"embedder": str(folder), "similarity": similarity}})
    return list(find_copies(scored(*rows).with_row_index("row"), empty(SEED) if people is None else people, spec))


def cosine(folder: Path, one: str, other: str) -> float:
    a, b = Embedder(str(folder)).embed([one, other])
    assert a is not None
    assert b is not None
    return float(a @ b)


NOTE, WORDS = "Write a thank-you note to Rina for the blue scarf.", "Write to Rina a note, thank you for the scarf, blue."


def test_the_same_in_other_words_is_a_copy_of_what_came_first(folder: Path) -> None:
    near = cosine(folder, NOTE, WORDS)
    rows = [{"instruction": NOTE}, {"instruction": WORDS}]
    assert find(folder, rows, similarity=near - 0.01) == [(1, "semantic_duplicate", "c0", f"semantic {near:.2f}")]
    assert find(folder, rows, similarity=min(near + 0.01, 1.0)) == []
    people = seeds({"question": WORDS}, {"question": WORDS, "split": "holdout"})
    assert find(folder, rows[:1], people, near - 0.01) == [(0, "holdout_overlap", "s1", f"semantic {near:.2f}")]
    assert find(folder, rows[:1], people[:1], near - 0.01) == [(0, "seed_copy", "s0", f"semantic {near:.2f}")]


def test_the_same_question_about_another_passage_is_another_task(folder: Path) -> None:
    near = cosine(folder, NOTE, WORDS)
    rows = [{"instruction": text, "context": context} for context in ("Rendang is a dish.", "Papeda is a dish.") for text in (NOTE, WORDS)]
    assert [(row, matched) for row, _, matched, _ in find(folder, rows, similarity=near - 0.01)] == [(1, "c0"), (3, "c2")]


def test_near_copies_and_units_go_before_and_what_is_too_long_is_let_through(folder: Path) -> None:
    one = {"instruction": NOTE, "instruction_id": "i", "seed": 1}
    long = [" ".join(f"{letter}{n}" for n in range(99)) for letter in "ab"]
    rows = [one, one, {"instruction": NOTE.lower()}, *({"instruction": text} for text in long)]
    assert find(folder, rows) == [(2, "duplicate", "c0", "exact")]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_only_what_is_kept_pushes_out_whatever_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    rng = random.Random(0)
    vocabulary = ["write", "note", "Rina", "blue", "scarf", "What", "47", "85", "thank", "you"]
    texts = list(dict.fromkeys(" ".join(rng.choices(vocabulary, k=rng.randint(2, 6))) for _ in range(60)))
    kept: list[tuple[int, Any]] = []
    expected = []
    for row, vector in enumerate(Embedder(str(folder)).embed(texts)):
        alike = [(round(float(vector @ other), 5), -place) for place, other in kept]
        if alike and max(alike)[0] >= 0.99:
            expected.append((row, "semantic_duplicate", f"c{-max(alike)[1]}"))
        else:
            kept.append((row, vector))
    monkeypatch.setattr("factory.reward.copies._BATCH", batch)
    assert [copy[:3] for copy in find(folder, [{"instruction": text} for text in texts], similarity=0.99)] == expected
    assert 5 < len(expected) < 55


def test_missing_library_and_missing_model_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match=r"embedder .* cannot be opened: .*reward\.semantic\.embedder"):
        Embedder(str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(FactoryError, match=r"needs the library sentence-transformers.*data-factory\[semantic\]"):
        Embedder(str(folder))
