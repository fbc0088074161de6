"""Names and places by a model that a line names: a token classifier of transformers, or a spaCy pipeline."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from factory.faults import FactoryError
from factory.personal_data.spec import NamesSpec
from factory.personal_data.types import TYPES, Finding
from factory.pico.models import pin_revision

LABELS: Final = {
    "FAC": "LOCATION",
    "LOC": "LOCATION",
    "LOCATION": "LOCATION",
    "GPE": "LOCATION",
    "PER": "PERSON",
    "PERSON": "PERSON",
    "NAME": "PERSON",
    "ORG": "ORGANIZATION",
    "NORP": "NRP",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
    "PHONE": "PHONE_NUMBER",
    "EMAIL": "EMAIL_ADDRESS",
}
"""Types by the labels of the usual models; a label that is itself the name of a type is that type."""

SPACY_SCORE: Final = 0.85
"""spaCy's entities come without a score; this is the one that Presidio gives them."""

Spans = list[tuple[int, int, str, float]]
"""Start, end, label and score."""
Tagger = Callable[[list[str], int], list[Spans]]

LONGEST_WINDOW: Final = 512
"""Tokens that a model reads at once, where it bears more."""

OVERLAP: Final = 0.25
"""Share of a model's window by which the windows of a long text overlap, so that a name on a border is whole in one of them."""


def find_names(texts: Sequence[tuple[str, str | None]], spec: NamesSpec) -> list[list[Finding]]:
    """What the model finds in each text with its language; nothing in those of languages that it does not read.

    Raises FactoryError where the model cannot be opened or fails; the fault never holds a text.
    """
    read = [place for place, (text, language) in enumerate(texts) if text.strip() and _reads(spec, language)]
    found: list[list[Finding]] = [[] for _ in texts]
    if not read:
        return found
    tagger = _open_pipeline(spec.model) if spec.kind == "spacy" else _open_classifier(spec.model, spec.revision)
    try:
        tagged = tagger([texts[place][0] for place in read], spec.batch_size)
    except Exception as error:
        # The error may quote what it failed on.
        raise FactoryError(f"personal data: the model {spec.model} failed on a text with {type(error).__name__}") from None
    for place, spans in zip(read, tagged, strict=True):
        for start, end, label, score in spans:
            kind = spec.labels.get(label) or LABELS.get(label.upper(), label.upper())
            if kind in TYPES and end > start:
                found[place].append(Finding(start, end, kind, round(score, 3)))
    return found


def _reads(spec: NamesSpec, language: str | None) -> bool:
    return not spec.languages or language is None or language.split("-")[0] in {each.split("-")[0] for each in spec.languages}


@cache
def _open_classifier(model: str, revision: str | None) -> Tagger:
    import torch
    import transformers

    try:
        pinned = pin_revision(model, revision)
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, revision=pinned)
        classifier = transformers.AutoModelForTokenClassification.from_pretrained(model, revision=pinned)
    except (OSError, ValueError) as error:
        raise FactoryError(f"personal data: {model} is no token classifier with a tokenizer: {error}") from None
    if not tokenizer.is_fast:
        raise FactoryError(f"personal data: the tokenizer of {model} does not say where in a text its tokens stand; give a fast one")
    window = min(tokenizer.model_max_length, getattr(classifier.config, "max_position_embeddings", LONGEST_WINDOW), LONGEST_WINDOW)
    tokenizer.model_max_length = window
    tag = transformers.pipeline(
        "token-classification",
        model=classifier,
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        stride=int(window * OVERLAP),
        device="cuda" if torch.cuda.is_available() else "cpu",
    )

    def run(texts: list[str], batch_size: int) -> list[Spans]:
        return [
            [(each["start"], each["end"], each["entity_group"], float(each["score"])) for each in spans]
            for spans in tag(texts, batch_size=batch_size)
        ]

    return run


@cache
def _open_pipeline(model: str) -> Tagger:
    import spacy

    try:
        language = spacy.load(model, exclude=["parser", "lemmatizer", "tagger", "attribute_ruler", "senter"])
    except OSError:
        raise FactoryError(f"personal data: {model} is no spaCy pipeline; give its folder, or install its package") from None
    if "ner" not in language.pipe_names:
        raise FactoryError(f"personal data: the spaCy pipeline {model} has no component 'ner', which finds names")
    language.max_length = sys.maxsize  # the limit of 1,000,000 characters is meant for parsers

    def run(texts: list[str], batch_size: int) -> list[Spans]:
        read = language.pipe(texts, batch_size=batch_size)
        return [[(each.start_char, each.end_char, each.label_, SPACY_SCORE) for each in document.ents] for document in read]

    return run
