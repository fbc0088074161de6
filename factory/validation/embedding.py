"""Embeddings of texts for validation: by the line's embedder, or, without one, by character n-grams of the texts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.validation.intervals import seeded

Vectors = NDArray[np.float64]

DIMENSIONS = 64
"""Of the built-in embedding, at most: the leading singular vectors."""


def embed_texts(real: Sequence[str], synthetic: Sequence[str], embedder: str | None) -> tuple[Vectors, Vectors]:
    """(real, d) and (synthetic, d) vectors of length 1; a text that the embedder cannot read whole is left out.

    `embedder` is a sentence-transformers model. Without one: TF-IDF of character 1- to 4-grams inside words, weighed by
    the real texts alone, on the leading singular vectors of both sides together (latent semantic analysis, Deerwester et
    al. 1990). That needs no download and reads any script, and knows form and wording rather than meaning; without a word
    on the real side all vectors are 0. Raises FactoryError where the embedder cannot be opened.
    """
    if embedder is not None:
        from factory.reward.semantic import Embedder

        opened = Embedder(embedder)
        first, second = (
            np.array([vector for vector in opened.embed(texts) if vector is not None], dtype=np.float64) for texts in (real, synthetic)
        )
        return first, second
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(text.strip() for text in real):
        return np.zeros((len(real), 1)), np.zeros((len(synthetic), 1))
    weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, dtype=np.float64)
    first = weigh.fit_transform(real)
    both: Any = vstack([first, weigh.transform(synthetic)]).tocsr() if len(synthetic) else first
    size = min(DIMENSIONS, both.shape[0] - 1, both.shape[1] - 1)
    if size < 1:
        return np.ones((len(real), 1)), np.ones((len(synthetic), 1))
    vectors = _place_rows(both, size)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors[: len(real)], vectors[len(real) :]


def _place_rows(matrix: Any, size: int) -> Vectors:
    """The rows of a sparse (n, m) matrix on its `size` leading singular vectors, (n, size): U·S of U·S·Vᵀ, from M·Mᵀ = U·S²·Uᵀ."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    # Not by TruncatedSVD: where ARPACK starts anew it takes a vector from an unseeded generator, which that has no way to give.
    products = LinearOperator((matrix.shape[0],) * 2, matvec=lambda vector: matrix @ (matrix.T @ vector), dtype=np.float64)
    rng = seeded("embedding")
    squares, directions = eigsh(products, size, v0=rng.uniform(-1, 1, matrix.shape[0]), rng=rng)
    squares[squares < squares.max() * 1e-12] = 0.0  # their roots would be rounding, and tell equal texts apart
    return np.asarray(directions * np.sqrt(squares))
