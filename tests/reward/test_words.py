from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.reward.words import read_tokens

LETTERS = "aB12½²ⅷßé三五東ーカなทนี่ไຂកံम हिन्दी्٣−–--+*/%=^<>$£¥±×÷,.?'\"“”…、・।_|~[]\\(\u200d\t\n  "
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
SPLIT = re.compile(r"[+*/%=<>^×÷±$£¥]|(?<![^\W\d_])-(?![^\W\d_])|[^\s!-/:-@\[-`{-~¡-¿×÷‐-\u206f、-〿・]+")


def split(text: str) -> list[str]:
    """The tokens of a text, one after the other by Python's own patterns."""
    form = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    pieces = SPLIT.findall(form.replace("−", "-").replace("–", "-"))
    return [part for piece in pieces for part in regex.findall(rf"{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED}).)+", piece)]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(LETTERS, max_size=20), max_size=8))
def test_tokens_of_every_script_are_those_of_the_pattern(texts: list[str]) -> None:
    tokens = read_tokens(texts)
    bounds = tokens.bounds.tolist()
    assert [tokens.pieces[begin:end].to_list() for begin, end in pairwise(bounds)] == [split(text) for text in texts]
    signs = [piece for piece, sign in zip(tokens.pieces, tokens.signs, strict=True) if sign]
    assert {*signs} == {*"-+*/%=<>^×÷±$£¥"} & {*tokens.pieces}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("it's 4 + 5 = **9**.", ["it", "s", "4", "5", "9"]),
        ("gpt-4は東京タワーです。", ["gpt", "4", "は", "東", "京", "タ", "ワ", "ー", "で", "す"]),
        ("ที่นี่ ok", ["ที่", "นี่", "ok"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("???", []),
        ("", []),
    ],
)
def test_words_of_every_script(text: str, words: list[str]) -> None:
    tokens = read_tokens(["4 + 4 = 8", text, "after"])
    assert tokens.list_words(1) == words
    hashes, bounds = tokens.words
    assert len(hashes) == len(words) + 4
    assert bounds.tolist() == [0, 3, 3 + len(words), 4 + len(words)]


def test_head_is_what_the_first_texts_alone_give() -> None:
    texts = ["4 + 4 = 8", "", "Say hello.", "Bye."]
    head, alone = read_tokens(texts).head(3), read_tokens(texts[:3])
    assert (head.texts, head.pieces.to_list(), head.bounds.tolist()) == (alone.texts, alone.pieces.to_list(), alone.bounds.tolist())
    assert (head.hashes == alone.hashes).all() and (head.signs == alone.signs).all()
