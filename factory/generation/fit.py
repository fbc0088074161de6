"""Makes a prompt shorter that does not fit a model's context: fewer examples first, then less of the text that the step names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import regex

from factory.generation.chat import Completion
from factory.generation.flow_spec import Step
from factory.generation.models import Model
from factory.seeds.chunks import SENTENCE_END

_CUT = regex.compile(rf"{SENTENCE_END.pattern}|\n+")
"""Where a text may end: after a sentence or a line."""
LARGEST_SHARE = 0.7
"""Of a text, at most, that is left when a server has refused it for its length."""


def fit_again(step: Step, variables: Mapping[str, Any], model: Model, overflow: Completion, max_new_tokens: int) -> dict[str, Any] | None:
    """`variables` with less to show after an `overflow` of `model`, or None where nothing more can be left out."""
    most = (model.teacher.context_tokens or overflow.prompt_tokens) - max_new_tokens
    share = max(0.0, most / max(overflow.prompt_tokens, 1))
    # Where a server refuses, the figures are guesses: by a few per cent at a time it would be asked hundreds of times.
    return shrink(step, variables, share if model.served is None else min(share, LARGEST_SHARE))


def shrink(step: Step, variables: Mapping[str, Any], share: float) -> dict[str, Any] | None:
    """`variables` with less to show, or None where nothing more can be left out.

    The last example goes as long as there are two; then, to about `share` (0 to 1) of its sentences and by one at least, the text that the
    step may shorten, which keeps its first sentence.
    """
    if len(variables["examples"]) > 1 and step.shows_examples:
        return {**variables, "examples": variables["examples"][:-1]}
    text = variables.get(step.shorten) if step.shorten else None
    if not isinstance(text, str):
        return None
    shorter = cut_sentences(text, share)
    return None if shorter == text else {**variables, str(step.shorten): shorter}


def cut_sentences(text: str, share: float) -> str:
    """The first sentences of `text`: about `share` of them, at least one, and one fewer than there are; all where there is but one."""
    whole = text.rstrip()
    starts = [match.end() for match in _CUT.finditer(whole) if match.end() < len(whole)]
    if not starts:
        return text
    kept = max(1, min(len(starts), int((len(starts) + 1) * share)))
    return text[: starts[kept - 1]].rstrip()
