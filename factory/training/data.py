"""Released records as rows of tokens: which tokens are trained on, which records are left out and why, and in what order rows come."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError
from factory.reward.rating import user_text

LeftOut = Literal["empty_instruction", "empty_response", "control_token", "prompt_not_kept", "no_trained_tokens", "too_long"]
"""Why a record is not trained on. `control_token`: a text writes out a control token, which the model would read as the end of a turn.
`prompt_not_kept`: the prompt's tokens change once the answer follows them, so the answer's own tokens cannot be told apart.
`no_trained_tokens`: the chat template marks nothing as the assistant's. `too_long`: more tokens than the phase or the model takes."""

GENERATION_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")
WINDOW_BATCHES = 16
"""Rows are sorted by length inside windows of this many batches: short padding, and an order that is still close to random."""


@dataclass(frozen=True)
class TokenRow:
    """One dialogue. `trained` is as long as `ids` and tells the tokens of the assistant's answers, the ends of its turns among them."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]


@dataclass(frozen=True)
class TokenRows:
    """The rows that are trained on, in the order of the records, and how many records were left out for each reason, sorted by reason."""

    rows: tuple[TokenRow, ...]
    left_out: dict[str, int]


def encode_records(tokenizer: Any, records: pl.DataFrame, most_tokens: int) -> TokenRows:
    """The rows of `records` (columns record_id, instruction, context, response, turns) of at most `most_tokens` tokens.

    Raises FactoryError where the tokenizer's chat template refuses a record.
    """
    control_tokens = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    rows: list[TokenRow] = []
    left_out: Counter[str] = Counter()
    for record in records.select("record_id", "instruction", "context", "response", "turns").iter_rows(named=True):
        encoded = _encode_record(tokenizer, record, control_tokens, most_tokens)
        if isinstance(encoded, TokenRow):
            rows.append(encoded)
        else:
            left_out[encoded] += 1
    return TokenRows(tuple(rows), dict(sorted(left_out.items())))


def _encode_record(tokenizer: Any, record: dict[str, Any], control_tokens: Sequence[str], most_tokens: int) -> TokenRow | LeftOut:
    from jinja2 import TemplateError

    instruction, response = record["instruction"] or "", record["response"] or ""
    if not instruction.strip():
        return "empty_instruction"
    if not response.strip():
        return "empty_response"
    messages = record["turns"] or [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
    messages = [{**messages[0], "content": user_text(messages[0]["content"], record["context"] or None)}, *messages[1:]]
    if any(token in message["content"] for message in messages for token in control_tokens):
        return "control_token"
    try:
        row = encode_dialogue(tokenizer, messages)
    except TemplateError as error:
        raise FactoryError(
            f"record {record['record_id']}: the student's chat template refuses it: {error}. "
            "Give a student whose template takes a user's turn followed by an assistant's."
        ) from error
    if row is None:
        return "prompt_not_kept"
    if not any(row.trained):
        return "no_trained_tokens"
    return row if len(row.ids) <= most_tokens else "too_long"


def encode_dialogue(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> TokenRow | None:
    """A dialogue under the chat template: messages (role, content) of user and assistant in turn, the assistant's last.

    Where the template marks the assistant's tokens ({% generation %}), those are trained on. Elsewhere each answer is what follows the
    tokens of the messages before it, as they are put to the model for an answer; None where those are not how the whole dialogue begins.
    """
    if tokenizer.is_fast and GENERATION_MARKER.search(tokenizer.get_chat_template()):
        marked = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        return TokenRow(tuple(marked["input_ids"]), tuple(bool(flag) for flag in marked["assistant_masks"]))
    whole = tuple(tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"])
    trained = [False] * len(whole)
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = tuple(tokenizer.apply_chat_template(messages[:place], add_generation_prompt=True, return_dict=True)["input_ids"])
        answered = tuple(tokenizer.apply_chat_template(messages[: place + 1], return_dict=True)["input_ids"])
        if answered[: len(prompt)] != prompt or whole[: len(answered)] != answered:
            return None
        trained[len(prompt) : len(answered)] = [True] * (len(answered) - len(prompt))
    return TokenRow(whole, tuple(trained))


def plan_order(lengths: Sequence[int], epochs: float, batch_size: int, seed: int) -> list[int]:
    """Indices of rows for the whole of a phase: consecutive runs of `batch_size` are its batches, the last perhaps shorter.

    Each epoch is a new shuffle; a fractional epoch ends early. Batches hold rows of like length. Planned ahead and from the seed alone, so
    that a phase that goes on after a kill meets the same batches.
    """
    rng = random.Random(f"order/{seed}")
    left = max(1, round(epochs * len(lengths))) if lengths else 0
    order: list[int] = []
    waiting: list[int] = []
    while left:
        epoch = list(range(len(lengths)))
        rng.shuffle(epoch)
        waiting += epoch[:left]
        left -= min(left, len(epoch))
        whole = len(waiting) - len(waiting) % batch_size
        window = WINDOW_BATCHES * batch_size
        for start in range(0, whole, window):
            near = sorted(waiting[start : min(start + window, whole)], key=lengths.__getitem__)
            batches = [near[first : first + batch_size] for first in range(0, len(near), batch_size)]
            rng.shuffle(batches)
            order += [index for batch in batches for index in batch]
        # What does not fill a batch opens the next epoch.
        waiting = waiting[whole:]
    return order + waiting
