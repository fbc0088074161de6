"""Parsers: how a step takes its values out of what a model wrote."""

from __future__ import annotations

import functools
import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from factory.generation.chat import Completion

Item = dict[str, Any]
"""The values of one draft, by the variables that they become."""


class ParseError(Exception):
    """An answer from which a step cannot take its values; the text says what was wrong with it."""


class NotAskedError(ParseError):
    """A prompt that cannot be asked, or was not answered: asking in another form would not help."""


def take_text(answer: Completion, max_new_tokens: int, asked: str, step: str = "") -> str:
    """The text of an answer that ended well. Raises ParseError; `asked` is who was asked, `step` goes before what nobody answered."""
    match answer.finish_reason:
        case "length":
            raise ParseError(f"did not end within {max_new_tokens} tokens")
        case "special":
            raise ParseError(f"holds a control token of the {asked}")
        case "failed":
            raise NotAskedError(f"{step}no answer: {answer.text}")
    return answer.text


class Part(BaseModel):
    """A part of a flow's file: immutable, and an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_check_pattern)]

# After a mark of Latin or Arabic script comes a space, else "3.5 litres" and "-5 °C" would be items; CJK marks need none.
_MARKER = re.compile(r"^[^\S\n]*(?:(?:[-*•‣◦·–—]|\(?\d{1,3}[.):])[^\S\n]+|\d{1,3}[．。、）][^\S\n]*)(?=\S)", re.MULTILINE)
_FENCE = re.compile(r"^\s*```[^\n`]*\n(.*?)\n?\s*```\s*$", re.DOTALL)


class TextParser(Part):
    """The whole answer, without white space around it."""

    kind: Literal["text"] = "text"

    def parse(self, answer: str, variable: str) -> list[Item]:
        """One item. Raises ParseError for an empty answer."""
        if not (text := answer.strip()):
            raise ParseError("empty")
        return [{variable: text}]


class TaggedParser(Part):
    """Texts between tags, such as `[Question] … [/Question]`; repeated, they are several items, each with all tags in the given order."""

    kind: Literal["tagged"]
    tags: dict[Identifier, str] = Field(min_length=1, description="The tag of each variable.")
    opening: str = Field(default="[{tag}]", description="How a tag opens; {tag} stands for its name.")
    closing: str = Field(default="[/{tag}]", description="How it closes.")

    def parse(self, answer: str, variable: str) -> list[Item]:
        """Raises ParseError for a missing, unclosed or empty tag, and where tags do not follow each other in order."""
        found = [(match.start(), name, match[1].strip()) for name in self.tags for match in _tagged(*self._ends(name)).finditer(answer)]
        found.sort()
        names = list(self.tags)
        for place, name in enumerate(names):
            if not any(other == name for _, other, _ in found):
                raise ParseError(f"no {self._ends(name)[0]}…{self._ends(name)[1]}")
            if any(other == name and not text for _, other, text in found):
                raise ParseError(f"{self._ends(name)[0]} is empty")
            if any(found[index][1] != name for index in range(place, len(found), len(names))):
                raise ParseError(f"{', '.join(self._ends(each)[0] for each in names)} do not follow each other in that order")
        if len(found) % len(names):
            raise ParseError(f"the last {self._ends(names[0])[0]} lacks its {self._ends(names[-1])[0]}")
        return [{name: text for _, name, text in found[at : at + len(names)]} for at in range(0, len(found), len(names))]

    def _ends(self, name: str) -> tuple[str, str]:
        return self.opening.replace("{tag}", self.tags[name]), self.closing.replace("{tag}", self.tags[name])


class RegexParser(Part):
    """The named groups of a regular expression, at each place where it matches."""

    kind: Literal["regex"]
    pattern: Pattern

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not re.compile(self.pattern).groupindex:
            raise ValueError("the pattern has no named group (?P<name>…), so it gives nothing")
        return self

    def parse(self, answer: str, variable: str) -> list[Item]:
        """Raises ParseError where nothing matches, or a named group is empty."""
        items = [
            {name: (text or "").strip() for name, text in match.groupdict().items()} for match in _compiled(self.pattern).finditer(answer)
        ]
        if not items:
            raise ParseError("the pattern matches nowhere")
        for item in items:
            if empty := [name for name, text in item.items() if not text]:
                raise ParseError(f"{empty[0]} is empty")
        return items


class JsonParser(Part):
    """A JSON object that a JSON schema holds for. Servers with structured output are given the schema; the answer is checked anyway."""

    kind: Literal["json"]
    json_schema: dict[str, Any] = Field(alias="schema")
    items: str | None = Field(default=None, description="Key of the list whose members are the items; by default the object is one item.")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        from jsonschema import Draft202012Validator, SchemaError

        try:
            Draft202012Validator.check_schema(self.json_schema)
        except SchemaError as error:
            raise ValueError(f"not a JSON schema: {error.message}") from None
        properties = self.json_schema.get("properties", {})
        if self.json_schema.get("type") != "object" or not properties:
            raise ValueError("the schema is to be of an object with properties: structured output knows no other")
        if self.items is not None and properties.get(self.items, {}).get("type") != "array":
            raise ValueError(f"the schema has no list {self.items!r}")
        return self

    @property
    def canonical(self) -> str:
        """The schema as canonical JSON."""
        return json.dumps(self.json_schema, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def parse(self, answer: str, variable: str) -> list[Item]:
        """Raises ParseError for what is no JSON or breaks the schema. A code fence around the JSON is taken off."""
        fenced = _FENCE.match(answer)
        try:
            value = json.loads(fenced[1] if fenced else answer, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"not JSON: {error}") from None
        fault = next(iter(sorted(_validator(self.canonical).iter_errors(value), key=lambda error: error.json_path)), None)
        if fault is not None:
            raise ParseError(f"not as its schema says: {fault.json_path}: {fault.message}")
        members = [value] if self.items is None else value[self.items]
        return [_strip(member if isinstance(member, dict) else {variable: member}) for member in members]


class ListParser(Part):
    """The items of a numbered or bulleted list, in any script; an item may run over several lines. What stands before it is no item."""

    kind: Literal["list"]

    def parse(self, answer: str, variable: str) -> list[Item]:
        """Raises ParseError where the answer holds no list, or an item is empty."""
        marks = [*_MARKER.finditer(answer)]
        if not marks:
            raise ParseError("no numbered or bulleted list")
        ends = [mark.start() for mark in marks[1:]] + [len(answer)]
        # A blank line after the last item ends it: what follows is the model's farewell.
        texts = [answer[mark.end() : end].split("\n\n")[0].strip() for mark, end in zip(marks, ends, strict=True)]
        return [{variable: text} for text in texts]


class ScoreParser(Part):
    """A judge's word as a number: `values` maps what may be written to what it counts."""

    kind: Literal["score"]
    values: dict[str, float] = Field(min_length=2)
    opening: str = Field(default="", description="What stands before the word; empty: the whole answer is the word.")
    closing: str = ""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.opening) != bool(self.closing):
            raise ValueError("give both opening and closing, or neither")
        return self

    def parse(self, answer: str, variable: str) -> list[Item]:
        """Raises ParseError where the answer holds no word, several that differ, or one that counts for nothing."""
        words = [match[1] for match in _tagged(self.opening, self.closing).finditer(answer)] if self.opening else [answer]
        known = {_fold(word): value for word, value in self.values.items()}
        counted = {known.get(_fold(word)) for word in words}
        if len(counted) != 1 or None in counted:
            written = ", ".join(repr(word.strip()[:40]) for word in words) or "nothing"
            raise ParseError(f"expected one of {', '.join(self.values)}, found {written}")
        return [{variable: counted.pop()}]


Parser = Annotated[TextParser | TaggedParser | RegexParser | JsonParser | ListParser | ScoreParser, Field(discriminator="kind")]
PARSERS = ("text", "tagged", "regex", "json", "list", "score")


def normalise_space(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@functools.cache
def _tagged(opening: str, closing: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(opening)}(.*?){re.escape(closing)}", re.DOTALL)


@functools.cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def _strip(item: Item) -> Item:
    return {name: value.strip() if isinstance(value, str) else value for name, value in item.items()}


def _fold(word: str) -> str:
    return normalise_space(word).strip(" .!。।۔").casefold()
