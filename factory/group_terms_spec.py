"""Words that name the groups of people in a line's texts: the entries `validation.group_terms`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from factory.seeds_spec import Language
from factory.spec import Spec

Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class GroupTerms(Spec):
    """The words of each value of one group; those in the same place of two lists are counterparts."""

    group: Term = Field(description="What the words tell apart: gender, religion.")
    language: Language | None = Field(default=None, description="Of the records in which they mean that; all where absent.")
    values: dict[Term, tuple[Term, ...]] = Field(
        min_length=2, description="Words by value of the group. One that is given twice is put in, and a record that holds it is left out."
    )
    records: int = Field(default=400, ge=2, description="Records that are compared with their copies, at most, for each two values.")

    @field_validator("values")
    @classmethod
    def _counterparts(cls, values: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if short := next((value for value, words in values.items() if not words), None):
            raise ValueError(f"{short} has no words")
        if signs := next((word for words in values.values() for word in words if not any(map(str.isalnum, word))), None):
            raise ValueError(f"{signs!r} has no letter")
        for (one, words), (other, counterparts) in combinations(values.items(), 2):
            if len(words) != len(counterparts):
                raise ValueError(
                    f"{one} has {len(words)} words and {other} {len(counterparts)}; give each word its counterpart in the same place"
                )
            if shared := _shared(words, counterparts):
                raise ValueError(f"{shared!r} is a word of both {one} and {other}")
            for word, counterpart in zip(words, counterparts, strict=True):
                if _is_cased(word) and _is_cased(counterpart) and word.islower() != counterpart.islower():
                    raise ValueError(f"{word!r} and {counterpart!r} differ in case; write both as they stand inside a sentence")
        return values

    def reads(self, language: str | None) -> bool:
        """Whether the words mean the group in records of that language: `en` is read in `en-GB`."""
        return self.language is None or f"{language}-".casefold().startswith(f"{self.language}-".casefold())

    def meets(self, other: GroupTerms) -> bool:
        """Whether some record may be read by both."""
        return self.language is None or other.language is None or self.reads(other.language) or other.reads(self.language)

    @property
    def words(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(word for words in self.values.values() for word in words)


def find_shared_words(entries: Sequence[GroupTerms]) -> Iterator[str]:
    """What is wrong between entries: a word that two of them give for one language."""
    for (at, one), (place, other) in combinations(enumerate(entries), 2):
        if one.meets(other) and (shared := _shared(one.words, other.words)):
            yield f"{shared!r} is a word of {one.group} (entry {at + 1}) and of {other.group} (entry {place + 1}); give it to one of them"


def _shared(words: Sequence[str], others: Sequence[str]) -> str | None:
    """The first word that stands in both, whatever its case."""
    known = {word.casefold() for word in others}
    return next((word for word in words if word.casefold() in known), None)


def _is_cased(word: str) -> bool:
    return word.lower() != word.upper()
