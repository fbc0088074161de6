"""Gumbel noise: samples follow the softmax, and a row's noise is its own."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from factory.generation.noise import GumbelNoise

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)


def test_argmax_follows_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -2.5, float("-inf")])
    rows = 8_000
    drawn = GumbelNoise(range(rows))(None, logits.repeat(rows, 1)).argmax(-1)
    counts = np.bincount(drawn.numpy(), minlength=len(logits))
    assert counts[-1] == 0
    assert chisquare(counts[:-1], logits.softmax(-1).double().numpy()[:-1] * rows / float(logits.softmax(-1).double().sum())).pvalue > 0.01


def test_successive_steps_are_independent() -> None:
    rows = 8_000
    noise = GumbelNoise(range(rows))
    first, second = (noise(None, torch.zeros(rows, 3)).argmax(-1).numpy() for _ in range(2))
    counts = np.bincount(first * 3 + second, minlength=9)
    assert chisquare(counts).pvalue > 0.01


@settings(max_examples=30, deadline=None)
@given(seeds=st.lists(SEEDS, min_size=1, max_size=6, unique=True), steps=st.integers(1, 4), vocabulary=st.integers(1, 40))
def test_noise_of_a_row_does_not_depend_on_its_batch(seeds: list[int], steps: int, vocabulary: int) -> None:
    together = GumbelNoise(seeds)
    alone = [GumbelNoise([seed]) for seed in seeds]
    for _ in range(steps):
        batch = together(None, torch.zeros(len(seeds), vocabulary))
        assert torch.isfinite(batch).all()
        for row, noise in zip(batch, alone, strict=True):
            assert torch.equal(row, noise(None, torch.zeros(1, vocabulary))[0])


def test_filtered_tokens_stay_filtered() -> None:
    scores = torch.full((50, 4), float("-inf"))
    scores[:, 2] = -1e4
    assert GumbelNoise(range(50))(None, scores).argmax(-1).tolist() == [2] * 50
