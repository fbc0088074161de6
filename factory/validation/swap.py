"""Puts the words of one value of a group in place of those of another: whole words of any script, their case kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import regex

from factory.group_terms_spec import GroupTerms
from factory.reward.words import is_character

_INSIDE = r"[\p{L}\p{M}\p{N}_\u200C\u200D]"
"""What a word is made of; the two joiners part no word of the scripts that use them."""


@dataclass(frozen=True)
class Exchange:
    """Two values of a group whose words change places.

    `sides`: the value that each written form names; `counterparts`: the form that takes its place, of those that have one and no more.
    """

    terms: GroupTerms
    first: str
    second: str
    sides: Mapping[str, str]
    counterparts: Mapping[str, str]

    def find(self, text: str) -> list[str]:
        """The forms in `text`, in order."""
        return [match.group() for match in self._pattern.finditer(text)]

    def swap(self, text: str) -> str:
        """`text` with each form in place of its counterpart; a form that has several stays."""
        swapped: str = self._pattern.sub(lambda match: self.counterparts.get(match.group(), match.group()), text)
        return swapped

    def swap_values(self, data: Any) -> Any:
        """JSON data with every text in it swapped; keys stay."""
        if isinstance(data, str):
            return self.swap(data)
        if isinstance(data, list):
            return [self.swap_values(item) for item in data]
        return {key: self.swap_values(value) for key, value in data.items()} if isinstance(data, dict) else data

    @cached_property
    def _pattern(self) -> regex.Pattern[str]:
        longest_first = sorted(self.sides, key=lambda form: (-len(form), form))
        return regex.compile("|".join(map(_bound, longest_first)))


def list_exchanges(entries: Sequence[GroupTerms]) -> Iterator[Exchange]:
    """One for each two values of each entry."""
    for terms in entries:
        for (first, words), (second, others) in combinations(terms.values.items(), 2):
            sides = {form: value for value in (first, second) for word in terms.values[value] for form in _write_forms(word)}
            counterparts = _pair_forms(words, others)
            for form, counterpart in _pair_forms(others, words).items():
                counterparts.setdefault(form, counterpart)
            yield Exchange(terms, first, second, sides, counterparts)


def _pair_forms(words: Sequence[str], counterparts: Sequence[str]) -> dict[str, str]:
    """The counterpart of each form of the words that have one alone: `her` is written for `him` and `his`, and neither for it."""
    known: dict[str, set[str]] = {}
    for word, counterpart in zip(words, counterparts, strict=True):
        known.setdefault(word, set()).add(counterpart)
    single = [(_write_forms(word), _write_forms(others.pop())) for word, others in known.items() if len(others) == 1]
    # By how they are written first: of a word of one letter the capital begins a sentence rather than shouts.
    paired: dict[str, str] = {}
    for place in range(3):
        for forms, theirs in single:
            paired.setdefault(forms[place], theirs[place])
    return paired


def _write_forms(word: str) -> tuple[str, str, str]:
    """A word as given, at the beginning of a sentence, and in capitals."""
    return word, word[0].upper() + word[1:], word.upper()


def _bound(form: str) -> str:
    """A pattern of the form as a whole word. Scripts that put no space between words have none that could be seen: there it is anywhere."""
    before = "" if is_character(form[0]) else f"(?<!{_INSIDE})"
    after = r"(?!\p{M})" if is_character(form[-1]) else f"(?!{_INSIDE})"
    return f"{before}{regex.escape(form)}{after}"
