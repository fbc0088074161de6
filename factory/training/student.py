"""Opens the student of a phase: its weights and its tokenizer, checked before anything is tuned."""

from __future__ import annotations

from typing import Any

from factory.faults import FactoryError
from factory.pico.models import pin_revision, resolve_model
from factory.training.data import find_turn_end, lacks_turn_end


def pin_student(student: str) -> str | None:
    """The commit at which `student` is opened where it is of the hub. Raises FactoryError where it is a folder that is gone."""
    try:
        return pin_revision(student)
    except OSError as error:
        raise _explain(student, error) from error


def open_tokenizer(student: str) -> Any:
    """The tokenizer of `student` (a bundled name, a folder or a hub id). Raises FactoryError where it cannot be opened."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(resolve_model(student), revision=pin_revision(student), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _explain(student, error) from error


def open_student(student: str) -> tuple[Any, Any]:
    """The model in float32 and its tokenizer. Code that a model brings along is never run.

    Raises FactoryError where either cannot be opened, weights are missing, or dialogues cannot be written or ended with the tokenizer.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    tokenizer = open_tokenizer(student)
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            resolve_model(student),
            revision=pin_revision(student),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _explain(student, error) from error
    if missing := sorted(loading["missing_keys"]):
        raise FactoryError(
            f"student {student!r}: its weights lack {len(missing)} tensors of a language model (such as {missing[0]}). "
            "Give a causal language model in `training.student`, not a classifier or an unfinished download."
        )
    if tokenizer.chat_template is None:
        raise FactoryError(
            f"student {student!r}: its tokenizer has no chat template, so records cannot be written as dialogues. "
            "Give a model that has one in `training.student`, or add a chat_template.jinja to its folder."
        )
    if tokenizer.eos_token_id is None:
        raise FactoryError(
            f"student {student!r}: its tokenizer has no EOS token, so the student could not learn where an answer ends. "
            "Name the token that ends an assistant's turn as `eos_token` in its tokenizer_config.json."
        )
    if lacks_turn_end(tokenizer):
        raise FactoryError(
            f"student {student!r}: under its chat template no control token ends an assistant's turn and is trained on, so the student "
            "could not learn where an answer ends. Write its EOS token after the content of an assistant's message in the "
            "chat_template.jinja of its folder (and before {% endgeneration %}, where it marks what the assistant writes), or give another "
            "student."
        )
    _stop_at_turn_end(model, tokenizer)
    return model, tokenizer


def _stop_at_turn_end(model: Any, tokenizer: Any) -> None:
    """A base that was no chat model may name another end (Qwen2.5 does): a student that never stops where it learnt to would write on."""
    end, given = find_turn_end(tokenizer), model.generation_config.eos_token_id
    named = given if isinstance(given, list) else [] if given is None else [given]
    if end is not None and end not in named:
        model.generation_config.eos_token_id = [*(named or [tokenizer.eos_token_id]), end]


def _explain(student: str, error: Exception) -> FactoryError:
    reason = " ".join(str(error).split())
    return FactoryError(
        f"student {student!r} cannot be opened: {reason} Give a bundled model, a folder or a hub id that holds a causal language model "
        "with its tokenizer and safetensors weights in `training.student`."
    )
