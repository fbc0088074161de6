"""Sampling noise of each request's own, so that what a model writes for one request does not depend on its neighbours' draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST = float(np.finfo(np.float32).tiny)
"""Keeps the logarithm finite where an exponential draw rounds to 0."""


class GumbelNoise:
    """A logits processor that makes the argmax of its result an exact sample: the Gumbel-max trick.

    If G_i are independent standard Gumbel draws, argmax_i(logit_i + G_i) is distributed as softmax(logit) (Gumbel 1954; Maddison, Tarlow,
    Minka 2014, arXiv 1411.0030, section 2). G = -ln(E) with E a standard exponential draw. A filtered logit of -inf stays -inf.

    Row r draws from a Philox stream keyed by `seeds[r]` alone, so the noise of a row is the same in any batch, at any place in it.
    One instance serves one batch; its calls are the successive steps.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        """`seeds`: one for each row of the batch, 0 <= seed < 2**128."""
        self._generators = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """`scores` (rows, vocabulary), float32 logits, plus the noise of the next step."""
        import torch

        draws = np.empty(tuple(scores.shape), dtype=np.float32)
        for generator, row in zip(self._generators, draws, strict=True):
            generator.standard_exponential(dtype=np.float32, out=row)
        noise = torch.from_numpy(draws).to(scores.device).clamp_(min=LEAST).log_().neg_()
        return noise.add_(scores)
