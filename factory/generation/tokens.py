"""How many tokens a prompt has: counted with the model's own tokenizer, or estimated from its script."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.generation.chat import Message
from factory.pico.models import pin_revision

PLAIN_CHARACTERS = 3.0
"""Characters of ASCII text in one token, by the estimate."""
ALPHABET_CHARACTERS = 1.5
"""Characters of Greek, Cyrillic, Hebrew and Arabic text in one token. Any other character, an accented letter too, counts as a token."""
MESSAGE_TOKENS = 5
"""What a chat template adds to a message, by the estimate; once more for the opening of the answer."""

_PLAIN = re.compile(r"[\x00-\x7f]")
_ALPHABETS = re.compile(r"[\u0370-\u06ff\u0750-\u077f\u1f00-\u1fff\ufb1d-\ufdff\ufe70-\ufeff]")


def estimate_tokens(text: str) -> int:
    """Tokens of `text` where no tokenizer is known: made to err upwards, so that what is fitted by it does fit.

    How far it errs, by language and tokenizer, is in docs/teachers.md.
    """
    if text.isascii():
        return math.ceil(len(text) / PLAIN_CHARACTERS)
    plain, alphabets = len(_PLAIN.findall(text)), len(_ALPHABETS.findall(text))
    return math.ceil(plain / PLAIN_CHARACTERS + alphabets / ALPHABET_CHARACTERS + len(text) - plain - alphabets)


def estimate_prompt(messages: Sequence[Message]) -> int:
    """Tokens of a whole prompt where no tokenizer is known."""
    return sum(estimate_tokens(message.content) + MESSAGE_TOKENS for message in messages) + MESSAGE_TOKENS


class ChatTokenizer:
    """The tokenizer of a model folder or hub id, with its chat template. Nothing is read before it is needed."""

    def __init__(self, name: str, source: str, revision: str | None = None) -> None:
        """`name` is what errors call the model; `source` a folder or a hub id."""
        self.name = name
        self._source = source
        self._revision = revision

    @cached_property
    def opened(self) -> Any:
        """The transformers tokenizer. Raises FactoryError where it cannot be read or has no chat template."""
        from transformers import AutoTokenizer
        from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

        with explain_reading(self.name, self._source, "tokenizer"):
            # What is too long is told from the model's config and never sent: a bound of the tokenizer's own would only warn of it.
            tokenizer = AutoTokenizer.from_pretrained(
                self._source,
                revision=pin_revision(self._source, self._revision),
                trust_remote_code=False,
                model_max_length=VERY_LARGE_INTEGER,
            )
        if tokenizer.chat_template is None:
            raise FactoryError(
                f"model {self.name}: its tokenizer has no chat template, so prompts cannot be put to it. "
                "Give an instruction-tuned model, or add a chat_template.jinja to its folder."
            )
        return tokenizer

    def encode(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Token ids of each conversation under the chat template, the opening of the answer included.

        A control token written in a text is encoded as plain text. Raises FactoryError where the template refuses a conversation.
        """
        from jinja2 import TemplateError

        chats = [[{"role": message.role, "content": message.content} for message in messages] for messages in conversations]
        try:
            encoded = self.opened.apply_chat_template(chats, add_generation_prompt=True, sanitize_control_tokens=True)
        except TemplateError as error:
            raise FactoryError(f"model {self.name}: its chat template refuses the prompt: {error}. Change the flow's messages.") from error
        return [list(ids) for ids in encoded["input_ids"]]

    def count(self, text: str) -> int:
        """Tokens of a text by itself."""
        return len(self.opened(text, add_special_tokens=False)["input_ids"])


@contextmanager
def explain_reading(name: str, source: str, part: str) -> Iterator[None]:
    """Quiet while a library reads `part` of model `name`; what it raises over an unreadable model becomes a FactoryError."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    showed_progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        if Path(source).is_dir():
            advice = f"See that {source} is whole: config.json, *.safetensors, tokenizer.json."
        else:
            advice = "Where the hub cannot be reached, download the model elsewhere and give its folder."
        raise FactoryError(f"model {name}: its {part} cannot be read: {reason} {advice}") from error
    finally:
        if showed_progress:
            logging.enable_progress_bar()
