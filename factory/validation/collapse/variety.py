"""How much variety the records have against as many real examples: as embeddings, as words, and against each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from factory.validation.clouds import count_effective, draw_half
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, wilson
from factory.validation.metric import LINE, Row, metric
from factory.validation.text import ngrams
from factory.validation_spec import Gate

DRAWS = 20
HALVES = "normal, standard error of 20 half-samples (delete-half jackknife, Shao & Wu 1989)"
EQUAL = "over that of the real examples, as many texts of a leaf on both sides"
DECILE = 0.1
LONGEST_GRAM = 3


@metric(
    "collapse",
    "min",
    "effective number of different records against the real examples",
    f"Vendi score of embeddings (Friedman & Dieng 2023) {EQUAL}",
    HALVES,
    gate=Gate(min=0.5),
    because="half of the variety lost; clean halves of real data lie at 1.0 within 0.1",
)
def vendi(evidence: Evidence) -> Iterator[Row]:
    real, synthetic = evidence.embedded
    yield _against(real, synthetic, lambda side, at: count_effective(side[at]))


@metric(
    "collapse",
    "info",
    "entropy of words against the real examples",
    f"Shannon entropy in bits, digits made alike, {EQUAL}",
    HALVES,
)
def entropy(evidence: Evidence) -> Iterator[Row]:
    real, synthetic = (frame["shapes"].to_list() for frame in evidence.balanced)
    yield _against(real, synthetic, lambda side, at: measure_entropy([side[place] for place in at]))


@metric(
    "collapse",
    "info",
    "how much of each record stands in others, against the real examples",
    f"self-BLEU-4 (Zhu et al. 2018) {EQUAL}",
    HALVES,
)
def self_bleu(evidence: Evidence) -> Iterator[Row]:
    real, synthetic = (frame["words"].to_list() for frame in evidence.balanced)
    yield _against(real, synthetic, lambda side, at: measure_self_bleu([side[place] for place in at]))


@metric(
    "collapse",
    "info",
    "share of the rarest decile of the real examples' runs of words that still occur",
    "of runs of 1, 2 and 3 words, digits made alike, the tenth with the fewest occurrences; all accepted records are looked through",
    "Wilson score",
)
def rare_runs(evidence: Evidence) -> Iterator[Row]:
    rows, kept, total = [], 0, 0
    for n in range(1, LONGEST_GRAM + 1):
        rare = find_rarest(evidence.real["shapes"].to_list(), n)
        there = {gram for text in evidence.synthetic["shapes"].to_list() for gram in ngrams(text, n) if gram in rare}
        if rare:
            rows.append(Row(f"runs of {n}", len(there) / len(rare), *wilson(len(there), len(rare)), len(rare)))
        kept, total = kept + len(there), total + len(rare)
    yield Row(LINE, kept / total, *wilson(kept, total), total) if total else Row(LINE, None)
    yield from rows


def find_rarest(texts: Sequence[Sequence[str]], n: int) -> set[tuple[str, ...]]:
    """The tenth of the n-grams of the texts that occur least, ties in the order of the words."""
    counts = Counter(gram for text in texts for gram in ngrams(text, n))
    return {gram for gram, _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))[: math.ceil(DECILE * len(counts))]}


def measure_entropy(texts: Sequence[Sequence[str]]) -> float:
    """Shannon entropy of the words of the texts, in bits."""
    counts = np.array(list(Counter(word for text in texts for word in text).values()), dtype=np.float64)
    shares = counts / counts.sum() if counts.size else counts
    return float(-(shares * np.log2(shares)).sum())


def measure_self_bleu(texts: Sequence[Sequence[str]], longest: int = 4) -> float:
    """Mean BLEU of each text against all others, 0 to 1; 1 where each stands among the others (Zhu et al. 2018, arXiv:1802.01886).

    Precisions of 1- to `longest`-grams, clipped by the most that one other text holds, and smoothed by one added above
    and below (Lin & Och 2004) beyond single words; their geometric mean, times the brevity penalty against the length
    nearest to the text's own. A text with no words counts 0.
    """
    counted = [[Counter(ngrams(text, n)) for text in texts] for n in range(1, longest + 1)]
    most = [_two_most(counts) for counts in counted]
    lengths = np.array([len(text) for text in texts])
    scores = []
    for at, text in enumerate(texts):
        if not text or len(texts) < 2:
            scores.append(0.0)
            continue
        logs = []
        for n, (counts, tops) in enumerate(zip(counted, most, strict=True)):
            own = counts[at]
            hits = sum(min(count, tops[gram][1] if tops[gram][2] == at else tops[gram][0]) for gram, count in own.items())
            size, more = sum(own.values()), int(n > 0)
            logs.append(math.log((hits + more) / (size + more)) if hits + more else -math.inf)
        others = np.delete(lengths, at)
        nearest = others[np.lexsort((others, np.abs(others - len(text))))[0]]
        scores.append(math.exp(min(0.0, 1 - nearest / len(text))) * math.exp(sum(logs) / longest))
    return float(np.mean(scores)) if scores else 0.0


def _two_most(counts: Sequence[Counter[Any]]) -> dict[Any, tuple[int, int, int]]:
    """For each n-gram the most that one text holds, the most that another holds, and which text holds the most."""
    tops: dict[Any, tuple[int, int, int]] = {}
    for at, each in enumerate(counts):
        for gram, count in each.items():
            first, second, holder = tops.get(gram, (0, 0, -1))
            tops[gram] = (count, first, at) if count > first else (first, max(second, count), holder)
    return tops


def _against(real: Any, synthetic: Any, statistic: Callable[[Any, Any], float]) -> Row:
    """The statistic of the records over that of the real examples, whole, and its interval from half-samples of both."""
    if min(len(real), len(synthetic)) < 2:
        return Row(LINE, None)
    sides = (synthetic, real)
    whole = [statistic(side, np.arange(len(side))) for side in sides]
    if not whole[1]:
        return Row(LINE, None)
    halves = []
    for draw in range(DRAWS):
        drawn = [
            statistic(side, draw_half(f"collapse:{name}:{draw}", len(side))) for side, name in zip(sides, ("made", "real"), strict=True)
        ]
        halves.append(drawn[0] / max(drawn[1], 1e-9))
    value = whole[0] / whole[1]
    return Row(LINE, value, *normal_interval(value, np.array(halves)), len(synthetic))
