"""Records that are a private example but for a few words, beyond what the form of their leaf makes alike by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.evidence import Evidence
from factory.validation.intervals import wilson
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation.published import list_exchanges
from factory.validation.text import UNSPACED
from factory.validation_spec import Gate

NEAR = 0.6
"""Cosine from which two texts of a leaf count as near. Of the bundled line's examples, short as they are, with one word changed
87 in 100 are as near to where they came from, and 1 of its accepted records in 100 is to some example of its leaf."""

GRAMS = (3, 5)
"""Characters in an n-gram: of any script, and short enough that a changed word costs its own n-grams alone."""

CHUNK = 4096
"""Records that are compared at once."""


@dataclass(frozen=True)
class Nearness:
    """Of the records of one leaf: which are nearest to a shown example and which to a held-out one, at NEAR or more.

    `shown` and `held_out` count the examples of the leaf.
    """

    leaf: str
    to_shown: NDArray[np.bool_]
    to_held_out: NDArray[np.bool_]
    shown: int
    held_out: int

    @property
    def odds(self) -> float:
        """How many shown examples there are for each that is held out: so much likelier it is, by chance, to be near to one of them."""
        return self.shown / self.held_out if self.held_out else 0.0


@metric(
    "privacy",
    "max",
    "share of records that are a shown example but for a few words, less the share expected by chance; rows `near=` show both",
    f"nearest example of the leaf at a cosine of {NEAR} or more, in character n-grams that the leaf's examples do not share, "
    "of a dialogue by any answer with the turn before it; chance is "
    "nearness to held-out examples, which no teacher saw, times shown over held-out examples",
    "MOVER of two Wilson intervals (Zou & Donner 2008)",
    gate=Gate(max=0.03),
    because="at most three records in a hundred beyond chance, shown; of 832 clean records the interval's end lay at 0.025 once in 50",
)
def near_seed_copies(evidence: Evidence) -> Iterator[Row]:
    leaves = list(_measure_leaves(evidence))
    yield _excess(LINE, leaves)
    size = sum(leaf.to_shown.size for leaf in leaves)
    for side, near in (("shown", [leaf.to_shown for leaf in leaves]), ("held-out", [leaf.to_held_out for leaf in leaves])):
        yield share_row(f"near={side}", sum(int(hits.sum()) for hits in near), size)
    for leaf in leaves:
        yield _excess(leaf.leaf, [leaf])


def _excess(subject: str, leaves: Sequence[Nearness]) -> Row:
    size = sum(leaf.to_shown.size for leaf in leaves)
    if not size:
        return Row(subject, None)
    shown = sum(int(leaf.to_shown.sum()) for leaf in leaves)
    held_out = sum(int(leaf.to_held_out.sum()) for leaf in leaves)
    expected = sum(leaf.odds * int(leaf.to_held_out.sum()) for leaf in leaves)
    weight = expected / held_out if held_out else sum(leaf.odds * leaf.to_shown.size for leaf in leaves) / size
    return Row(subject, *subtract_shares(shown, held_out, weight, size), size)


def subtract_shares(hits: int, others: int, weight: float, size: int) -> tuple[float, float, float]:
    """hits/size − weight·others/size and its 95 % interval: variance estimates recovery (Zou & Donner 2008, Stat. Med. 27:1693).

    Raises ValueError where size is 0.
    """
    share, other = hits / size, others / size
    (low, high), (other_low, other_high) = wilson(hits, size), wilson(others, size)
    value = share - weight * other
    return (
        value,
        value - math.hypot(share - low, weight * (other_high - other)),
        value + math.hypot(high - share, weight * (other - other_low)),
    )


def _measure_leaves(evidence: Evidence) -> Iterator[Nearness]:
    exchanges = list_exchanges(evidence.accepted)
    for leaf in evidence.shared_leaves:
        examples = evidence.examples.filter(pl.col("leaf") == leaf)
        said = exchanges.filter(pl.col("leaf") == leaf)
        ids, record = np.unique(said["record_id"].to_numpy(), return_inverse=True)
        shown = (examples["split"] == "seed").to_numpy()
        nearest = np.zeros((ids.size, 2))
        texts, real = _texts(said, "instruction", "response"), _texts(examples, "question", "answer")
        for at, cosines in _compare(texts, real):
            for side, of_side in enumerate((shown, ~shown)):
                if of_side.any():
                    np.maximum.at(nearest[:, side], record[at : at + cosines.shape[0]], cosines[:, of_side].max(axis=1))
        near, to_shown = nearest.max(axis=1) >= NEAR, nearest[:, 0] > nearest[:, 1]
        yield Nearness(leaf, near & to_shown, near & ~to_shown, int(shown.sum()), int((~shown).sum()))


def _texts(frame: pl.DataFrame, *columns: str) -> list[str]:
    """The texts of each row as one, without case and punctuation; a space around it marks the ends of its words."""
    text = pl.concat_str(pl.lit(" "), *(piece for name in columns for piece in (pl.col(name).fill_null(""), pl.lit(" "))))
    return frame.select(text.str.to_lowercase().str.replace_all(rf"[^\p{{L}}\p{{M}}\p{{N}}{UNSPACED}]+", " ")).to_series().to_list()


def _compare(texts: Sequence[str], real: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Cosines of some texts (rows, from the given place on) to every real one (columns), by character n-grams as TF-IDF.

    What every real text has weighs nothing: it is the form of the leaf. What none of them has weighs most.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    counter = CountVectorizer(analyzer="char", ngram_range=GRAMS, lowercase=False, dtype=np.float64)
    counted = counter.fit_transform([*real, *texts])
    counted.data = 1 + np.log(counted.data)
    held_by = np.bincount(counted[: len(real)].indices, minlength=counted.shape[1])
    weights = np.log((len(real) + 1) / (held_by + 1)) if len(real) > 1 else np.ones(counted.shape[1])
    vectors: Any = normalize(counted.multiply(weights).tocsr())
    columns = vectors[: len(real)].T.tocsc()
    for at in range(0, len(texts), CHUNK):
        yield at, (vectors[len(real) + at : len(real) + min(at + CHUNK, len(texts))] @ columns).toarray()
