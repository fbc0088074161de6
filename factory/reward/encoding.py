"""How a reward model reads a dialogue: under its chat template, or, of an encoder that has none, as a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from factory.faults import FactoryError
from factory.reward.rating import Dialogue

Features = dict[str, list[int]]
"""What a tokenizer makes of one dialogue: input_ids, attention_mask and, of some encoders, token_type_ids."""


def check_reads_dialogues(what: str, tokenizer: Any) -> None:
    """Raises FactoryError where nobody knows how `what` reads a dialogue."""
    if tokenizer.chat_template is None and tokenizer.sep_token_id is None:
        raise FactoryError(
            f"the tokenizer of {what} has no chat template, and no separator by which an encoder reads pairs, so nobody knows how it reads "
            "a dialogue. Use one that has."
        )


def encode_dialogues(tokenizer: Any, dialogues: Sequence[Dialogue]) -> list[Features]:
    """The features of each dialogue, untruncated.

    An encoder without a chat template (BERT, MiniLM, DeBERTa) reads what was asked and the last response as a pair of texts, parted by its
    separator, as OpenAssistant/reward-model-deberta-v3-large-v2 was trained. Raises FactoryError where a template refuses a dialogue.
    """
    from jinja2 import TemplateError

    if not dialogues:
        return []
    if tokenizer.chat_template is None:
        asked, answered = [_write_asked(dialogue) for dialogue in dialogues], [dialogue[-1].content for dialogue in dialogues]
        encoded = tokenizer(asked, answered, verbose=False)
    else:
        chats = [[{"role": message.role, "content": message.content} for message in dialogue] for dialogue in dialogues]
        try:
            texts = tokenizer.apply_chat_template(chats, tokenize=False)
        except TemplateError as error:
            raise FactoryError(
                f"the reward model's chat template refuses a dialogue: {error}. Use a model whose template takes it."
            ) from error
        encoded = tokenizer(texts, add_special_tokens=False, return_token_type_ids=False, verbose=False)
    return [{name: encoded[name][index] for name in encoded} for index in range(len(dialogues))]


def pad_features(tokenizer: Any, rows: Sequence[Features]) -> Any:
    """The features of a batch as tensors of shape (rows, longest row)."""
    # Padding on the right leaves the positions of every token as they are without padding.
    return tokenizer.pad(list(rows), padding_side="right", return_tensors="pt")


def agree_on_padding(tokenizer: Any, config: Any) -> None:
    """Decoders score at the last token that is not padding, so model and tokenizer must name the same token."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config.get_text_config().pad_token_id = tokenizer.pad_token_id


def count_positions(tokenizer: Any, config: Any) -> int:
    """How many tokens the model reads; without a limit of its own, as many as the tokenizer says."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return min(int(limit) if limit else 2**31, int(tokenizer.model_max_length))


def _write_asked(dialogue: Dialogue) -> str:
    """What comes before the response: one message as it is, several each behind its role."""
    if len(dialogue) == 2:
        return dialogue[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in dialogue[:-1])
