"""Released records as rows of tokens: which tokens are trained on, which records are left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError
from factory.reward.rating import user_text

LeftOut = Literal["empty_instruction", "empty_response", "control_token", "prompt_not_kept", "no_trained_tokens", "too_long"]
"""Why a record is not trained on. `control_token`: a text writes out a control token, which the model would read as the end of a turn.
`prompt_not_kept`: the prompt's tokens change once the answer follows them, so the answer's own tokens cannot be told apart.
`no_trained_tokens`: the chat template marks nothing as the assistant's. `too_long`: more tokens than the phase or the model takes."""

IGNORED = -100
"""The label of a token that is not trained on, in PyTorch's cross-entropy and so in transformers."""

GENERATION_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class TokenRow:
    """One dialogue. `trained` is as long as `ids` and tells the tokens of the assistant's answers, the ends of its turns among them."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]


@dataclass(frozen=True)
class TokenRows:
    """The rows that are trained on, in the order of the records, and how many records were left out for each reason, sorted by reason.

    `record_ids` are of the rows, one each.
    """

    rows: tuple[TokenRow, ...]
    left_out: dict[str, int]
    record_ids: tuple[str, ...] = ()


def in_order(records: pl.DataFrame) -> pl.DataFrame:
    """What is trained on, in an order of its own: a release that lists its records otherwise trains the same student."""
    columns = ("record_id", "instruction", "context", "response", "turns")
    return records.select(columns).sort(columns[:-1])


def encode_records(tokenizer: Any, records: pl.DataFrame, most_tokens: int) -> TokenRows:
    """The rows of `records` (columns record_id, instruction, context, response, turns) of at most `most_tokens` tokens.

    Raises FactoryError where the tokenizer's chat template refuses a record.
    """
    control_tokens = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    rows: list[TokenRow] = []
    record_ids: list[str] = []
    left_out: Counter[str] = Counter()
    for record in records.select("record_id", "instruction", "context", "response", "turns").iter_rows(named=True):
        encoded = _encode_record(tokenizer, record, control_tokens, most_tokens)
        if isinstance(encoded, TokenRow):
            rows.append(encoded)
            record_ids.append(record["record_id"])
        else:
            left_out[encoded] += 1
    return TokenRows(tuple(rows), dict(sorted(left_out.items())), tuple(record_ids))


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

    Where the template marks the assistant's tokens ({% generation %}), those are trained on. Elsewhere they are those of `find_answer`.
    None where the dialogue does not begin, before some answer, with the tokens by which the model is asked for it.
    """
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if tokenizer.is_fast and GENERATION_MARKER.search(tokenizer.get_chat_template()):
        marked = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        ids = tuple(marked["input_ids"])
        asked = (encode_messages(tokenizer, messages[:place], ask=True) for place in answers)
        if not all(ids[: len(prompt)] == prompt for prompt in asked):
            return None
        return TokenRow(ids, tuple(bool(flag) for flag in marked["assistant_masks"]))
    whole = encode_messages(tokenizer, messages)
    trained = [False] * len(whole)
    for place in answers:
        answer = find_answer(tokenizer, messages[: place + 1], whole)
        if answer is None:
            return None
        trained[answer] = [True] * (answer.stop - answer.start)
    return TokenRow(whole, tuple(trained))


def encode_messages(tokenizer: Any, messages: Sequence[Mapping[str, str]], *, ask: bool = False) -> tuple[int, ...]:
    """Tokens of messages under the chat template; with `ask`, as they are put to the model for an answer."""
    return tuple(tokenizer.apply_chat_template(messages, add_generation_prompt=ask, return_dict=True)["input_ids"])


def find_answer(tokenizer: Any, messages: Sequence[Mapping[str, str]], whole: tuple[int, ...]) -> slice | None:
    """Where in the dialogue `whole` the last of `messages`, an answer, stands, with the control token that ends its turn.

    It begins after the tokens by which the model is asked for it, and ends with its last control token where only blanks or more control
    tokens follow: those are written by no model, and melt into the next turn (Mistral 7B v0.1 writes "</s> ", then "[INST]").
    None where `whole` does not begin with the question, or the answer with its end is not the same when the dialogue goes on.
    """
    prompt, answered = encode_messages(tokenizer, messages[:-1], ask=True), encode_messages(tokenizer, messages)
    if answered[: len(prompt)] != prompt:
        return None
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(answered, whole, strict=False)))
    control = _list_control_ids(tokenizer)
    end = next((place + 1 for place in range(shared - 1, len(prompt) - 1, -1) if answered[place] in control), None)
    if end is None or tokenizer.decode(answered[end:], skip_special_tokens=True).strip():
        end = len(answered)
    return slice(len(prompt), end) if end <= shared else None


def find_turn_end(tokenizer: Any) -> int | None:
    """The control token that ends an assistant's turn under the chat template and is trained on; None where there is none."""
    trained = _train_greeting(tokenizer)
    return trained[-1] if trained and trained[-1] in _list_control_ids(tokenizer) else None


def lacks_turn_end(tokenizer: Any) -> bool:
    """Whether the chat template lets an answer be trained on, but ends it with no control token, or marks that as not the assistant's."""
    return bool(_train_greeting(tokenizer)) and find_turn_end(tokenizer) is None


def _train_greeting(tokenizer: Any) -> list[int]:
    """The tokens of a short dialogue that are trained on; none where the template refuses it, or keeps no place for its answer."""
    from jinja2 import TemplateError

    try:
        row = encode_dialogue(tokenizer, [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}])
    except TemplateError:
        return []
    return [number for number, flag in zip(row.ids, row.trained, strict=True) if flag] if row else []


def _list_control_ids(tokenizer: Any) -> set[int]:
    return {tokenizer.eos_token_id, *(number for number, token in tokenizer.added_tokens_decoder.items() if token.special)}
