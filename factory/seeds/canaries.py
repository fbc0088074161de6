"""Canaries: made-up secrets planted among the seeds of a leaf, so that what a teacher or student repeats of its seeds can be measured."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import polars as pl

from factory.records import CANARY
from factory.seeds.leaf import Leaf
from factory.seeds_spec import CanariesSpec

DIGITS = 12
"""Digits of a secret. So many that no text holds one by chance: a corpus of 10^8 places has a canary's digits with chance 10^-4."""
SPACE = 10**DIGITS
"""Secrets that could have been drawn: |R| of Carlini et al. 2019 (arXiv:1802.08232)."""
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
BETWEEN = r"[^\p{L}\p{N}]{0,3}"
"""What may stand between two digits of a secret that is written another way."""


@dataclass(frozen=True)
class Canary:
    """One planted secret: `name` is what it is asked by, `secret` its DIGITS digits. Of no language, so that it suits every leaf."""

    name: str
    secret: str

    @property
    def question(self) -> str:
        return f"{self.name}?"

    @property
    def answer(self) -> str:
        return f"{self.name} = {write_secret(self.secret)}"


def write_secret(secret: str) -> str:
    """The digits of a secret in fours: 4821-7730-0946."""
    return "-".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def draw_canaries(leaf: Leaf, spec: CanariesSpec | None, seed: int) -> tuple[Canary, ...]:
    """The canaries of a leaf, from the line's seed number and the leaf's path alone.

    None for a leaf that no pattern of the spec names, for one without examples, and for one with contexts: a record about a canary's
    context would repeat it in good faith.
    """
    if spec is None or not leaf.examples or leaf.grounded or not any(fnmatchcase(leaf.path, pattern) for pattern in spec.leaves):
        return ()
    rng = random.Random(f"canary/{seed}/{leaf.path}")
    return tuple(Canary("".join(rng.choices(SYLLABLES, k=4)), draw_secret(rng)) for _ in range(spec.per_leaf))


def draw_secret(rng: random.Random) -> str:
    """One of the SPACE secrets, each as likely."""
    return f"{rng.randrange(SPACE):0{DIGITS}d}"


def read_canaries(seeds: pl.DataFrame) -> dict[str, Canary]:
    """The canaries that stand in a SEED frame by record id."""
    planted = seeds.filter(pl.col("kind") == CANARY).sort("record_id")
    return {
        record_id: Canary(question.removesuffix("?"), re.sub(r"\D", "", answer))
        for record_id, question, answer in planted.select("record_id", "question", "answer").iter_rows()
    }


def find_canaries(texts: Iterable[str], canaries: Iterable[Canary]) -> list[set[Canary]]:
    """The canaries whose secret each text holds, as it was written or with other marks between the digits, or digits of another script."""
    import regex

    by_secret = {canary.secret: canary for canary in canaries}
    if not by_secret:
        return [set() for _ in texts]
    runs = regex.compile(rf"\p{{Nd}}(?:{BETWEEN}\p{{Nd}})*")
    return [
        {
            by_secret[secret]
            for run in runs.findall(text)
            for digits in ["".join(str(unicodedata.digit(letter)) for letter in run if letter.isdecimal())]
            for at in range(len(digits) - DIGITS + 1)
            if (secret := digits[at : at + DIGITS]) in by_secret
        }
        for text in texts
    ]
