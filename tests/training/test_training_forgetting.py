"""Perplexity of real texts, and what a tuned model has forgotten of them: against one pass by hand, closed forms, and real tuning."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import CONTEXT_TOKENS, save_student, write_records

from factory.faults import FactoryError, InputFaults
from factory.records import ANSWER, DOCUMENT
from factory.training import WINDOWS, compare_texts, count_forgotten, measure_perplexity, measure_texts, read_texts, take_documents
from factory.training.forgetting import cut_windows
from factory.training.student import open_student
from factory.training.texts import MOST_TEXTS, PIECE_BYTES

SHORT, LONG = "Apples grow on trees, and the sea is salt.", " ".join(f"Tree {number} has {number * 7} apples." for number in range(40))


def make_texts(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"text_id": [f"t{at}" for at in range(len(texts))], "text": texts})


def make_windows(*rows: tuple[str, int, float, int]) -> pl.DataFrame:
    return pl.DataFrame([(text, 0, *rest) for text, *rest in rows], schema=WINDOWS, orient="row")


@given(length=st.integers(0, 300), most=st.integers(2, 70))
def test_windows_predict_each_token_but_the_first_once_from_half_a_window_at_least(length: int, most: int) -> None:
    tokens = range(length)
    windows = list(cut_windows(tokens, most))
    predicted = [token for row in windows for token, trained in zip(row.ids, row.trained, strict=True) if trained]
    assert predicted == [*tokens[1:]]
    for row in windows:
        assert len(row.ids) <= most and row.trained == tuple(sorted(row.trained)) and not row.trained[0]
        assert [*row.ids] == [*range(row.ids[0], row.ids[0] + len(row.ids))]
    assert all(row.trained.index(True) >= most - most // 2 for row in windows[1:-1])


def test_a_text_that_fits_is_measured_in_one_pass_from_the_end_token_on(student: Path) -> None:
    measured = measure_texts(student, make_texts(SHORT))
    model, tokenizer = open_student(str(student))
    ids = [tokenizer.eos_token_id, *tokenizer(SHORT, add_special_tokens=False)["input_ids"]]
    with torch.inference_mode():
        chances = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
    nats = -sum(float(chances[at, token]) for at, token in enumerate(ids[1:]))
    assert measured.drop("nats").rows() == [("t0", 0, len(ids) - 1, len(SHORT.encode()))]
    assert measured["nats"][0] == pytest.approx(nats, abs=1e-3)
    assert measure_perplexity(measured) == pytest.approx(math.exp(nats / (len(ids) - 1)), rel=1e-5)


def test_a_text_longer_than_the_context_is_read_in_windows_and_each_text_by_itself(student: Path) -> None:
    both = measure_texts(student, make_texts(SHORT, LONG))
    _, tokenizer = open_student(str(student))
    tokens = len(tokenizer(LONG, add_special_tokens=False)["input_ids"])
    long = both.filter(text_id="t1")
    assert tokens > 2 * CONTEXT_TOKENS and long["tokens"].sum() == tokens
    assert long.height == 1 + math.ceil((tokens - CONTEXT_TOKENS + 1) / (CONTEXT_TOKENS // 2))
    assert both.filter(text_id="t0")["nats"][0] == pytest.approx(measure_texts(student, make_texts(SHORT))["nats"][0], rel=1e-5)
    assert measure_texts(student, make_texts()).is_empty()


def test_a_model_has_forgotten_nothing_against_itself_and_much_where_its_weights_were_shaken(student: Path, tmp_path: Path) -> None:
    texts = make_texts(*write_records(40)["response"].unique(maintain_order=True))
    before = measure_texts(student, texts)
    same = compare_texts(before, before)
    assert (same.nats, same.nats_low, same.nats_high, same.bits) == (0, 0, 0, 0)
    after = measure_texts(save_student(tmp_path, spread=1.0), texts)
    worse, better = compare_texts(before, after), compare_texts(after, before)
    assert worse.nats == pytest.approx(math.log(worse.perplexity_after / worse.perplexity_before))
    assert 0 < worse.nats_low < worse.nats < worse.nats_high  # type: ignore[operator]
    assert better.nats == pytest.approx(-worse.nats)  # type: ignore[operator]
    assert worse.bits == pytest.approx(worse.bits_after - worse.bits_before) and worse.bits_low > 0  # type: ignore[operator]


def test_forgetting_is_counted_by_token_and_in_bits_by_byte() -> None:
    before = make_windows(("a", 10, 20.0, 40), ("b", 30, 40.0, 60))
    told = compare_texts(before, make_windows(("b", 30, 48.0, 60), ("a", 10, 22.0, 40)))
    assert told.nats == pytest.approx(10 / 40) and told.perplexity_before == pytest.approx(math.exp(1.5))
    assert told.bits == pytest.approx(10 / math.log(2) / 100) and told.bits_before == pytest.approx(60 / math.log(2) / 100)
    # Two texts drawn with replacement: a twice, b twice, or both.
    assert (told.nats_low, told.nats_high) == (pytest.approx(2 / 10), pytest.approx(8 / 30))
    other = compare_texts(before, make_windows(("a", 8, 22.0, 40), ("b", 25, 48.0, 60)))
    assert other.nats is None and other.nats_low is None and (other.bits, other.bits_low) == (told.bits, told.bits_low)


def test_the_interval_is_that_of_a_ratio_of_sums_over_texts() -> None:
    """Against the standard error of a ratio (Cochran 1977, section 6.4), which many texts come close to."""
    rng = np.random.default_rng(3)
    tokens = rng.integers(20, 60, 400)
    gains = tokens * rng.normal(0.1, 0.4, 400)
    rows = [(f"t{at}", int(size), 2.0 * size, 4 * int(size)) for at, size in enumerate(tokens)]
    after = [(name, size, nats + gain, length) for (name, size, nats, length), gain in zip(rows, gains, strict=True)]
    told = compare_texts(make_windows(*rows), make_windows(*after))
    ratio = gains.sum() / tokens.sum()
    half = 1.96 * math.sqrt(((gains - ratio * tokens) ** 2).sum()) / tokens.sum()
    assert told.nats == pytest.approx(ratio)
    assert (told.nats_low, told.nats_high) == (pytest.approx(ratio - half, abs=0.05 * half), pytest.approx(ratio + half, abs=0.05 * half))
    assert told.bits_low == pytest.approx(told.nats_low / 4 / math.log(2))  # type: ignore[operator]


def test_a_single_text_has_no_interval_and_other_texts_no_comparison() -> None:
    one, two = make_windows(("a", 10, 20.0, 40)), make_windows(("a", 10, 25.0, 40), ("b", 5, 9.0, 40))
    assert compare_texts(one, one).nats_low is None
    with pytest.raises(FactoryError, match=r"1 of 2 texts were read by one of the two models alone"):
        compare_texts(one, two)
    with pytest.raises(FactoryError, match=r"0 of 0 texts"):
        compare_texts(one.clear(), one.clear())
    with pytest.raises(FactoryError, match=r"no text to measure"):
        measure_perplexity(one.clear())


def test_files_become_pieces_of_bounded_size_that_hold_every_word(tmp_path: Path) -> None:
    (tmp_path / "sea.md").write_text("---\ntitle: x\n---\n# Sea\n\nThe sea is salt.\n\n# Shore\n\nSand lies on it.\n")
    (tmp_path / "trees.txt").write_text("\n\n".join([LONG] * 9))
    texts = read_texts([tmp_path / "trees.txt", tmp_path / "sea.md", tmp_path / "sea.md"])
    assert texts.filter(document="sea.md")["text"].to_list() == ["The sea is salt.\n\nSand lies on it."]
    assert texts["text"].str.len_bytes().max() <= PIECE_BYTES and texts["text_id"].is_sorted()  # type: ignore[operator]


def test_every_file_that_holds_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("# Heading alone\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputFaults) as raised:
        read_texts([tmp_path / name for name in ("empty.md", "latin.txt", "absent.txt")])
    told = str(raised.value)
    assert "3 faults" in told and all(
        name in told for name in ("empty.md: the document is empty", "latin.txt", "absent.txt: cannot be read")
    )


def test_chunks_of_documents_are_texts_once_each() -> None:
    rows = [
        dict.fromkeys(DOCUMENT) | {"record_id": name, "document": "a.md", "text": text} for name, text in zip("cab", "xyx", strict=True)
    ]
    assert take_documents(pl.DataFrame(rows, schema=DOCUMENT)).rows() == [("a", "a.md", "y"), ("c", "a.md", "x")]
    many = [rows[0] | {"record_id": f"{at:04}", "text": f"Word {at}."} for at in range(MOST_TEXTS + 1)]
    assert take_documents(pl.DataFrame(many, schema=DOCUMENT)).height == MOST_TEXTS


def test_what_was_known_and_is_wrong_now_is_forgotten_by_leaf() -> None:
    right = {"base": "110100", "tuned": "010110"}
    rows = [
        dict.fromkeys(ANSWER) | {"problem_id": f"p{at}", "leaf": "a" if at < 4 else "b", "model": model, "correct": flag == "1"}
        for model, flags in right.items()
        for at, flag in enumerate(flags)
    ]
    told = count_forgotten(pl.DataFrame(rows, schema=ANSWER), "base", "tuned")
    assert told.select("leaf", "problems", "known", "forgotten", "share", "learnt").rows() == [
        ("a", 4, 3, 1, pytest.approx(1 / 3), 0),
        ("b", 2, 0, 0, None, 1),
        ("all", 6, 3, 1, pytest.approx(1 / 3), 1),
    ]
    assert told["low"][1] is None and 0 < told["low"][2] < 1 / 3 < told["high"][2] < 1
