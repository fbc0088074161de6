"""Finds records that ask the same in other words, by the cosine of their embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from factory.faults import FactoryError
from factory.line_models import is_hub_id
from factory.pico.models import pin_revision

INSTALL: Final = "pip install 'data-factory[semantic]'"
BLOCK: Final = 8192
"""Vectors that are compared at a time; with it the memory of a comparison is bounded, whatever the line holds."""
COSINE_DIGITS: Final = 5
"""Cosines are rounded to what float32 holds whatever the block."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Meaning:
    """An instruction as it is compared: its embedding, of length 1, or null where it is longer than the model reads; and its context.

    Contexts are compared as they stand (normalised): the same question about another passage is another task.
    """

    vector: Vectors | None
    context: str


@dataclass(frozen=True)
class Likeness:
    """A record that asks the same."""

    record_id: str
    origin: str
    cosine: float


class Embedder:
    """A sentence-transformers model, on the GPU where there is one.

    Weights are read from safetensors only, and code that a model brings along is never run. Raises FactoryError where the library is not
    installed or the model cannot be opened.
    """

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise FactoryError(f"reward.semantic needs the library sentence-transformers, which is not installed: {INSTALL}") from None
        try:
            with _no_progress_bars():
                pinned = pin_revision(model) if is_hub_id(model) else None
                self._model: Any = SentenceTransformer(
                    model, revision=pinned, trust_remote_code=False, model_kwargs={"use_safetensors": True}
                )
        except Exception as error:  # the library, the hub's client and the readers of weights raise their own of many kinds
            raise FactoryError(
                f"embedder {model!r} cannot be opened: {str(error).strip().splitlines()[0]} Give the folder or the hub id of a "
                "sentence-transformers model with safetensors weights in `reward.semantic.embedder`."
            ) from error

    def embed(self, texts: Sequence[str]) -> list[Vectors | None]:
        """The embedding of each text, float32 of length 1; null for a text of more tokens than the model reads: cut, it would be alike to
        every text that begins so."""
        if not texts:
            return []
        limit = self._model.max_seq_length
        lengths = [len(ids) for ids in self._model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]
        fitting = [number for number, length in enumerate(lengths) if limit is None or length <= limit]
        vectors: list[Vectors | None] = [None] * len(texts)
        if fitting:
            embedded = self._model.encode(
                [texts[number] for number in fitting], normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )
            for number, vector in zip(fitting, np.asarray(embedded, dtype=np.float32), strict=True):
                vectors[number] = vector if np.isfinite(vector).all() else None
        return vectors


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    showed = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if showed:
            logging.enable_progress_bar()


class MeaningIndex:
    """Meanings to be asked which of them another one repeats: exact search, by blocks.

    `similarity` is the least cosine of what asks the same. `origins` ranks where meanings come from, as in `KeyIndex`.
    """

    def __init__(self, similarity: float, origins: Sequence[str]) -> None:
        self._least = similarity
        self._origins = origins
        self._entries: list[tuple[str, int]] = []
        self._blocks: list[Vectors] = []
        self._contexts: list[npt.NDArray[np.int64]] = []

    def add(self, record_id: str, origin: str, meaning: Meaning) -> None:
        """Adds a meaning; one without a vector is nothing to be found."""
        if meaning.vector is None:
            return
        at = len(self._entries) % BLOCK
        if at == 0:
            self._blocks.append(np.zeros((BLOCK, len(meaning.vector)), dtype=np.float32))
            self._contexts.append(np.zeros(BLOCK, dtype=np.int64))
        self._blocks[-1][at] = meaning.vector
        self._contexts[-1][at] = hash(meaning.context)
        self._entries.append((record_id, self._origins.index(origin)))

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, meanings: Sequence[Meaning], start: int = 0) -> list[Likeness | None]:
        """For each meaning the one that it repeats, of those from the `start`th on: of the first origin, the nearest, the first added."""
        found: list[tuple[int, float, int] | None] = [None] * len(meanings)
        asked = {row: meaning.vector for row, meaning in enumerate(meanings) if meaning.vector is not None}
        if not asked:
            return [None] * len(meanings)
        rows, vectors = list(asked), np.stack(list(asked.values()))
        contexts = np.array([hash(meanings[row].context) for row in rows])
        for first in range(start // BLOCK * BLOCK, len(self._entries), BLOCK):
            part = slice(max(start - first, 0), len(self._entries) - first)
            cosines = np.round(vectors @ self._blocks[first // BLOCK][part].T, COSINE_DIGITS)
            near = (cosines >= self._least) & (contexts[:, None] == self._contexts[first // BLOCK][part])
            for which, at in np.argwhere(near).tolist():
                place = first + part.start + at
                match = (self._entries[place][1], -float(cosines[which, at]), place)
                found[rows[which]] = min(found[rows[which]] or match, match)
        return [None if best is None else Likeness(self._entries[best[2]][0], self._origins[best[0]], -best[1]) for best in found]
