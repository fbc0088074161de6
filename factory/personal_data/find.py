"""Finds personal data in texts: reads each, runs the recognisers that it may concern, weighs the words beside, settles overlaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import regex

from factory.personal_data.addresses import FORMS
from factory.personal_data.reading import read
from factory.personal_data.recognisers import ANY, WORDS, build_recognisers
from factory.personal_data.spec import PersonalDataSpec
from factory.personal_data.types import GENERAL_WORD, NAME, NAMES, OTHER_NAMES, WEAK, Finding
from factory.personal_data.words import compile_words, general_words, stands_beside

HINTS: Final = {
    kind: re.compile(hint, re.IGNORECASE)
    for kind, hint in {
        "EMAIL_ADDRESS": "@",
        "IP_ADDRESS": r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]:[0-9a-f:]*:[0-9a-f]|::",
        "MAC_ADDRESS": r"(?:[0-9a-f]{2}[:-]){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.",
        "CRYPTO": r"\w{26}",
        "IN_PAN": r"[a-z]{5}\d{4}[a-z]",
        "MEDICAL_LICENSE": r"[a-z9]\d{7}",
    }.items()
} | {"STREET_ADDRESS": regex.compile("|".join(f"(?:{form})" for form in FORMS.values()))}
"""What a text must have for a type to be looked for in it."""

NUMBER_HINT: Final = re.compile(r"\d(?:[ ]?[A-Za-z./()\-]{0,6}[ ]?\d){5}")
"""What it must have for all other types: six digits with little between them. Few texts have; so few are read by seventy recognisers."""

PLACEHOLDER: Final = re.compile(r"<[A-Z][A-Z_]*(?:_\d+)?>")
"""What stands for personal data that was taken out: no model may call it a name."""

SUM: Final = re.compile(r"[\d .\-/]+")
BEFORE_OPERATOR: Final = re.compile(r"\s?(?:[*×÷^%/=]|[+-]\s?\d)")
BEHIND_OPERATOR: Final = re.compile(r"(?:[*×÷^/$€£¥=<]|\d\s?[+-])\s?$")


OF_LITTLE_WEIGHT: Final = frozenset(NAMES | OTHER_NAMES | WEAK)


def find(text: str, language: str | None = None, spec: PersonalDataSpec | None = None) -> tuple[Finding, ...]:
    """Personal data in `text`, in the order of their places, none over another. `language` (BCP 47) picks the words beside numbers.

    Raises FactoryError for a model of `spec` that cannot be opened.
    """
    return find_all([(text, language)], spec)[0]


def find_all(texts: Sequence[tuple[str, str | None]], spec: PersonalDataSpec | None = None) -> list[tuple[Finding, ...]]:
    """`find` for many texts with their languages. Each distinct one is read once, and models read them in batches."""
    from factory.personal_data.names import find_names

    spec = spec or PersonalDataSpec()
    thresholds = spec.thresholds
    distinct = list(dict.fromkeys(texts))
    found = {each: _find_patterns(*each, thresholds) for each in distinct}
    for names in spec.names:
        for each, named in zip(distinct, find_names(distinct, names), strict=True):
            written = [match.span() for match in PLACEHOLDER.finditer(each[0])]
            found[each] += [
                name
                for name in named
                if name.score >= thresholds.get(name.type, 2) and not any(start < name.end and name.start < end for start, end in written)
            ]
    settled = {each: _settle(each[0], findings) for each, findings in found.items()}
    return [settled[each] for each in texts]


def _find_patterns(text: str, language: str | None, thresholds: dict[str, float]) -> list[Finding]:
    reading = read(text)
    wanted = _look_for(reading.text, frozenset(thresholds))
    if not wanted:
        return []
    results = _analyzer().analyze(reading.text, ANY, entities=list(wanted), nlp_artifacts=_no_artifacts(language))
    return [
        Finding(*reading.span(each.start, each.end), each.entity_type, round(each.score, 2))
        for each in results
        if each.score >= thresholds[each.entity_type] - 1e-9
    ]


def _look_for(text: str, kinds: frozenset[str]) -> list[str]:
    """Of `kinds`, those that `text` may hold."""
    hinted = [kind for kind in HINTS if kind in kinds and HINTS[kind].search(text)]
    return [*hinted, *_numeric(kinds)] if NUMBER_HINT.search(text) else [*hinted, *_weak(kinds)]


@cache
def _numeric(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(kinds - HINTS.keys() - NAMES.keys() - OTHER_NAMES.keys()))


@cache
def _weak(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(kinds & WEAK.keys()))


def _settle(text: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each place. What a form or a checksum tells stands before what a model or a weak pattern does: of those the rest."""
    told = _unite(each for each in findings if each.type not in OF_LITTLE_WEIGHT)
    rest = _unite(each for each in findings if each.type in OF_LITTLE_WEIGHT)
    return tuple(sorted([*told, *(piece for each in rest for piece in _cut(text, each, told))]))


def _unite(findings: Iterable[Finding]) -> list[Finding]:
    """Of findings that overlap the surest, then the longest, over all that they cover: what is left of another would still be data."""
    kept: list[Finding] = []
    for each in sorted(findings, key=lambda one: (one.start, -one.end)):
        if kept and each.start < kept[-1].end:
            last = kept.pop()
            best = max(last, each, key=lambda one: (one.score, one.end - one.start, one.type))
            each = Finding(last.start, max(last.end, each.end), best.type, best.score)
        kept.append(each)
    return kept


def _cut(text: str, finding: Finding, others: Iterable[Finding]) -> Iterator[Finding]:
    """`finding`, or, where some of `others` lie over it, those pieces beside them that hold letters."""
    over = [each for each in others if each.start < finding.end and finding.start < each.end]
    if not over:
        yield finding
        return
    starts, ends = [finding.start, *(each.end for each in over)], [*(each.start for each in over), finding.end]
    for start, end in zip(starts, ends, strict=True):
        piece = text[start:end]
        if start < end and any(map(str.isalpha, piece)):
            yield finding._replace(start=end - len(piece.lstrip()), end=start + len(piece.rstrip()))


@cache
def _analyzer() -> Any:
    """Presidio's analyzer over recognisers alone: nothing is downloaded, at the start or later."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=build_recognisers(), supported_languages=[ANY]),
        nlp_engine=_build_no_engine(),
        supported_languages=[ANY],
        context_aware_enhancer=_build_enhancer(),
    )


def _build_enhancer() -> Any:
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer

    class WordsBeside(ContextAwareEnhancer):  # type: ignore[misc]
        """Presidio's own splits the text into words with a model, and has one list of context words for all languages."""

        def enhance_using_context(
            self, text: str, raw_results: list[Any], nlp_artifacts: Any, recognizers: Any, context: Any = None
        ) -> list[Any]:
            kept = []
            for each in raw_results:
                lift = _weigh_words(each.entity_type, text, each.start, each.end, nlp_artifacts.language)
                if not _is_sum(text, each.start, each.end, lift):
                    each.score = min(1.0, each.score + lift)
                    kept.append(each)
            return kept

    return WordsBeside(0.0, 0.0, 0, 0)


def _weigh_words(kind: str, text: str, start: int, end: int, language: str | None) -> float:
    names, group = WORDS.get(kind, ("", ""))
    if names and stands_beside(compile_words(names), text, start, end):
        return NAME
    return GENERAL_WORD if group and stands_beside(general_words(group, language or None), text, start, end) else 0.0


def _is_sum(text: str, start: int, end: int, lift: float) -> bool:
    """Whether the digits are a sum, a part of one, or money: "Compute 1234567890 * 2", "400-120-200 = 80", "$4111111111111111".

    A word beside says otherwise; of a number with an operator behind it the number's own name alone: "phones: 1000-200 = 800".
    """
    if not SUM.fullmatch(text, start, end) or lift == NAME:
        return False
    return bool(BEFORE_OPERATOR.match(text, end) or (not lift and BEHIND_OPERATOR.search(text, max(0, start - 4), start)))


def _build_no_engine() -> Any:
    """An engine of Presidio's that analyses no language: the usual one downloads a model of 400 MB when it is opened."""
    from presidio_analyzer.nlp_engine import NlpEngine

    class NoEngine(NlpEngine):  # type: ignore[misc]
        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            return _no_artifacts(language)

        def process_batch(self, texts: Iterable[str], language: str, *_: Any, **__: Any) -> Any:
            return ((text, _no_artifacts(language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return [ANY]

    return NoEngine()


@cache
def _no_artifacts(language: str | None) -> Any:
    from presidio_analyzer.nlp_engine import NlpArtifacts

    artifacts = NlpArtifacts([], [], [], [], nlp_engine=None, language=language or "")
    artifacts.language = language  # Presidio's keep it not
    return artifacts
