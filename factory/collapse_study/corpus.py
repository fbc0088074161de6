"""The real text of the language-model experiment: read, split and cut into windows of two blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.faults import FactoryError, Fault, InputFaults

Tokens = NDArray[np.uint16]
BLOCK = 64
"""Tokens of a block: a model is given one and writes the next (Shumailov et al. 2024)."""
WINDOW = 2 * BLOCK
"""Tokens that a model learns from at once: a block and the one that follows it."""
HELD_OUT = 0.2
"""Share of the text, its end, that no model learns from."""
FEWEST_WINDOWS = 20
"""Windows to learn from and held out, together, below which nothing could be measured."""
CHARACTERS_PER_TOKEN = 6
"""Well above what the texts that were tried have (2.7 to 3.4), so that enough is read."""


@dataclass(frozen=True)
class Corpus:
    """Real text as windows (windows, WINDOW) of tokens, to learn from and held out, with the tokenizer that was trained on the former."""

    name: str
    tokenizer: Any
    train: Tokens
    held_out: Tokens

    def decode(self, windows: Tokens) -> list[str]:
        """The text of each window."""
        texts: list[str] = self.tokenizer.batch_decode(windows.tolist(), skip_special_tokens=True)
        return texts


def check_texts(files: Sequence[Path]) -> list[Fault]:
    """What is wrong with the files, each read whole."""
    faults = []
    for file in files:
        try:
            if not file.read_text(encoding="utf-8").strip():
                faults.append(Fault(str(file), 0, 0, "", "is empty. Give plain text."))
        except UnicodeDecodeError as error:
            faults.append(Fault(str(file), 0, 0, "", f"is not UTF-8 (byte {error.start}). Give plain text in UTF-8."))
        except OSError as error:
            faults.append(Fault(str(file), 0, 0, "", f"cannot be read: {error.strerror}. Give a file of plain text."))
    return faults


def read_corpus(files: Sequence[Path], most_tokens: int) -> Corpus:
    """The text of `files`, one after another, or, without any, text that the pico family's corpus writes; `most_tokens` to learn from.

    Raises InputFaults for files that cannot be read, and FactoryError where there is too little text.
    """
    from factory.pico.tokenizer import train_tokenizer

    if faults := check_texts(files):
        raise InputFaults("text", faults)
    most_characters = round(most_tokens * CHARACTERS_PER_TOKEN / (1 - HELD_OUT))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)[:most_characters] if files else write_text(most_characters)
    cut = round(len(text) * (1 - HELD_OUT))
    tokenizer = train_tokenizer(text[:cut].splitlines(keepends=True))
    train, held_out = (_cut_windows(tokenizer, part) for part in (text[:cut], text[cut:]))
    train = train[: max(1, most_tokens // WINDOW)]
    held_out = held_out[: max(1, round(len(train) * HELD_OUT / (1 - HELD_OUT)))]
    if len(train) + len(held_out) < FEWEST_WINDOWS:
        raise FactoryError(
            f"the text is too short: {len(train) + len(held_out)} windows of {WINDOW} tokens, at least {FEWEST_WINDOWS} are needed. "
            "Give more text, or more --tokens."
        )
    return Corpus(", ".join(file.name for file in files) or "the pico family's corpus", tokenizer, train, held_out)


def write_text(characters: int) -> str:
    """At least so many characters of tasks, answers, passages and prompts in English and Indonesian, always the same."""
    from factory.pico.corpus import Corpus as PicoCorpus
    from factory.pico.pretrain import TOKENIZER_STAGE, write_dialogues
    from factory.pico.recipe import TEACHER

    written: list[str] = []
    size = 0
    # No dialogue is shorter than one character, so there are always enough.
    for dialogue in write_dialogues(PicoCorpus(frozenset()), TEACHER, TOKENIZER_STAGE, characters):
        written.append("\n".join(message["content"] for message in dialogue) + "\n\n")
        size += len(written[-1])
        if size >= characters:
            break
    return "".join(written)


def _cut_windows(tokenizer: Any, text: str) -> Tokens:
    # The backend itself, as no model is ever given the whole text and the tokenizer would warn of its length.
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    whole = len(ids) // WINDOW * WINDOW
    return np.array(ids[:whole], dtype=np.uint16).reshape(-1, WINDOW)
