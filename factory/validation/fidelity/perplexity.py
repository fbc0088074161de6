"""How well a language model of one side knows the texts of the other: records that people would write, and people's texts all reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, seeded
from factory.validation.metric import LINE, Row, metric
from factory.validation.ngram_model import NgramModel

DRAWS = 20
MODEL = (
    "perplexity of interpolated word bigrams (Witten & Bell 1991), digits made alike, over that of the real examples' one half under the "
    "other; as many texts of a leaf on both sides"
)
HALVES = "normal, standard deviation over 20 draws of the halves"


@metric(
    "fidelity", "info", "how strange the records are to a model of the real examples; 1 as strange as these to each other", MODEL, HALVES
)
def perplexity_of_records(evidence: Evidence) -> Iterator[Row]:
    yield _compare(evidence, learn="real", read="synthetic")


@metric(
    "fidelity",
    "info",
    "how strange the real examples are to a model of the records; 1 as strange as to each other",
    MODEL,
    HALVES,
)
def perplexity_of_real(evidence: Evidence) -> Iterator[Row]:
    yield _compare(evidence, learn="synthetic", read="real")


def _compare(evidence: Evidence, learn: str, read: str) -> Row:
    sides = dict(zip(("real", "synthetic"), (frame["shapes"].to_list() for frame in evidence.balanced), strict=True))
    ratios = []
    for draw in range(DRAWS):
        rng = seeded(f"fidelity:perplexity:{draw}")
        (first, second), others = _halve(rng, sides["real"]), _halve(rng, sides["synthetic"])
        learnt = {"real": first, "synthetic": others[0]}[learn]
        asked = {"real": second, "synthetic": others[1]}[read]
        if not (any(learnt) and any(first) and asked and second):
            return Row(LINE, None)
        ratios.append(NgramModel(learnt).perplexity(asked) / NgramModel(first).perplexity(second))
    value = float(np.mean(ratios))
    return Row(LINE, value, *normal_interval(value, np.array(ratios)), len(sides[read]))


def _halve(rng: np.random.Generator, texts: Sequence[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    order = rng.permutation(len(texts)).tolist()
    middle = len(texts) // 2
    return [texts[at] for at in order[:middle]], [texts[at] for at in order[middle:]]
