"""Every constraint on a response that can be verified, by name; each is one function of the response and the constraint's arguments.

After IFEval (Zhou et al. 2023, arXiv 2311.07911, table 1). A function says None where the answer depends on what it takes for a word, a
sentence or a language: IFEval's own code decides by one tokeniser, and so by a guess.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, create_model

from factory.reward.verifiers.language import tell_language
from factory.reward.verifiers.reading import BEYOND_JSON, NO_JSON, read_json
from factory.seeds_spec import Language, Text
from factory.spec import Spec

Count = Annotated[int, Field(ge=1)]
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""A letter of a script that puts no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_STOP: Final = re.compile(r"[.!?…؟۔]+[\"'”’)\]]*(?=\s|$)|[。！？]+[\"'”’)\]」』]*")
_ABBREVIATIONS: Final = frozenset(
    "prof mrs inc etc gen rev capt sgt col gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec vol fig dept ave approx drs dra "
    "dll dkk dsb bpk yth tgl hlm okt nop des".split()
)
_LONGEST_ABBREVIATION: Final = max(map(len, _ABBREVIATIONS))
_NEXT: Final = re.compile("[\"'“‘(\\[ \\n\\t]*+(.)", re.DOTALL)
"""The first character of what comes after a stop, as its group."""
_QUOTES: Final = (('"', '"'), ("“", "”"))
_OTHER_QUOTES: Final = (("«", "»"), ("„", "“"), ("„", "”"), ("「", "」"), ("『", "』"))


@dataclass(frozen=True)
class Constraint:
    """`holds` is called with the response and the arguments by name. `open_where`: when it says None."""

    holds: Callable[..., bool | None]
    arguments: type[Spec]
    open_where: str


CONSTRAINTS: dict[str, Constraint] = {}


def constraint(open_where: str = "") -> Callable[[Callable[..., bool | None]], Callable[..., bool | None]]:
    """Registers a function by its name; the spec of its arguments is its signature."""

    def register(holds: Callable[..., bool | None]) -> Callable[..., bool | None]:
        parameters = [*inspect.signature(holds, eval_str=True).parameters.values()][1:]
        fields: dict[str, Any] = {
            given.name: (given.annotation, ... if given.default is inspect.Parameter.empty else given.default) for given in parameters
        }
        CONSTRAINTS[holds.__name__] = Constraint(holds, create_model(holds.__name__, __base__=Spec, **fields), open_where)
        return holds

    return register


_WORDS_OPEN: Final = "it depends on what counts as one word (a hyphen, a sign, a script without spaces)"
_SENTENCES_OPEN: Final = "it depends on which full stops end a sentence"


@constraint(_WORDS_OPEN)
def min_words(response: str, words: Count) -> bool | None:
    """At least so many words."""
    return _within(_count_words(response), words, None)


@constraint(_WORDS_OPEN)
def max_words(response: str, words: Count) -> bool | None:
    """At most so many words."""
    return _within(_count_words(response), None, words)


@constraint(_WORDS_OPEN)
def about_words(response: str, words: Count, share: Annotated[float, Field(gt=0, lt=1)] = 0.1) -> bool | None:
    """So many words, give or take a `share` of them."""
    return _within(_count_words(response), words * (1 - share), words * (1 + share))


@constraint()
def min_characters(response: str, characters: Count) -> bool:
    """At least so many characters, spaces included, white space around the response aside."""
    return len(response.strip()) >= characters


@constraint()
def max_characters(response: str, characters: Count) -> bool:
    """At most so many characters, spaces included, white space around the response aside."""
    return len(response.strip()) <= characters


@constraint(_SENTENCES_OPEN)
def min_sentences(response: str, sentences: Count) -> bool | None:
    """At least so many sentences."""
    return _within(_count_sentences(response), sentences, None)


@constraint(_SENTENCES_OPEN)
def max_sentences(response: str, sentences: Count) -> bool | None:
    """At most so many sentences."""
    return _within(_count_sentences(response), None, sentences)


@constraint()
def paragraphs(response: str, paragraphs: Count) -> bool:
    """Exactly so many paragraphs, with an empty line between them."""
    return len(re.split(r"\n[^\S\n]*\n\s*", response.strip())) == paragraphs and bool(response.strip())


@constraint()
def bullets(response: str, bullets: Count) -> bool:
    """Exactly so many lines that begin with "- "."""
    return len(re.findall(r"^- +\S", response, re.MULTILINE)) == bullets


@constraint()
def sections(response: str, sections: Count, word: Text) -> bool:
    """Exactly so many sections, each under a line `<word> 1`, `<word> 2` and so on."""
    numbers = re.findall(rf"^[^\w\n]*{re.escape(word)} ([0-9]+)\b", response, re.MULTILINE | re.IGNORECASE)
    return numbers == [str(number) for number in range(1, sections + 1)]


@constraint()
def title(response: str) -> bool:
    """A title in double angle brackets, `<<such as this>>`, which is not empty."""
    return bool(re.search(r"<<[^<>\n]*[^<>\s][^<>\n]*>>", response))


@constraint()
def json_object(response: str) -> bool | None:
    """One JSON object and nothing else."""
    value = read_json(response)
    return None if value is BEYOND_JSON else value is not NO_JSON and isinstance(value, dict)


@constraint('other quotation marks than "" are double ones in some languages')
def quoted(response: str) -> bool | None:
    """The whole response in double quotation marks."""
    text = response.strip()
    if _wrapped(text, _QUOTES):
        return True
    return None if _wrapped(text, _OTHER_QUOTES) else False


@constraint()
def keyword(response: str, word: Text, times: Count = 1) -> bool:
    """The word at least so many times, whatever its case."""
    return _count_word(response, word) >= times


@constraint()
def forbidden_word(response: str, word: Text) -> bool:
    """The word nowhere, whatever its case."""
    return _count_word(response, word) == 0


@constraint()
def letter(response: str, letter: Annotated[str, Field(min_length=1, max_length=1)], times: Count) -> bool:
    """The letter at least so many times, whatever its case."""
    return response.casefold().count(letter.casefold()) >= times


@constraint("the script knows no capitals, or there are no letters")
def lower_case(response: str) -> bool | None:
    """No capital letter."""
    return _cased(response) and not any(letter.isupper() or letter.istitle() for letter in response)


@constraint("the script knows no capitals, or there are no letters")
def upper_case(response: str) -> bool | None:
    """Capital letters alone."""
    return _cased(response) and not any(letter.islower() for letter in response)


@constraint()
def starts_with(response: str, phrase: Text) -> bool:
    """These words first, to the letter."""
    return response.lstrip().startswith(phrase)


@constraint()
def ends_with_mark(response: str, mark: Text) -> bool:
    """This mark, to the letter, and nothing after it."""
    return response.rstrip().endswith(mark)


@constraint("the sign 、 is a comma in Japanese and not quite one in Chinese")
def no_commas(response: str) -> bool | None:
    """No comma of any script."""
    if re.search("[,，،﹐]", response):
        return False
    if "、" in response:
        return False if re.search("[\u3040-\u30ff]", response) else None
    return True


@constraint("it is too short, mixed, or of a language that is hardly told from another")
def language(response: str, language: Language) -> bool | None:
    """Written in this language (BCP 47)."""
    return tell_language(response, language)


def _within(counted: tuple[int, int] | None, least: float | None, most: float | None) -> bool | None:
    """Whether a count that lies between two numbers is in a range: None where it may or may not be."""
    if counted is None:
        return None
    low, high = counted
    if (least is None or low >= least) and (most is None or high <= most):
        return True
    if (least is not None and high < least) or (most is not None and low > most):
        return False
    return None


def _count_words(text: str) -> tuple[int, int] | None:
    """The fewest and the most words that the text has: between spaces, and as runs of letters and digits. None without spaces."""
    if _UNSPACED.search(text):
        return None
    spaced = sum(any(character.isalnum() for character in part) for part in text.split())
    return spaced, len(re.findall(r"\w+", text))


def _count_sentences(text: str) -> tuple[int, int]:
    """The fewest and the most sentences: by stops that surely end one, and by every stop that may, and the end of every line."""
    text = text.strip()
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return 0, 0
    sure = sum(_surely_ends(text, stop) for stop in _STOP.finditer(text)) + (not _ends(text))
    return max(1, sure), sum(len(_STOP.findall(line)) + (not _ends(line)) for line in lines)


def _ends(text: str) -> bool:
    """Whether the last thing is a full stop or its like."""
    stops = [*_STOP.finditer(text.rstrip())]
    return bool(stops) and stops[-1].end() == len(text.rstrip())


def _surely_ends(text: str, stop: re.Match[str]) -> bool:
    """Not after a short word, which may be shortened, and not before a small letter."""
    before = text[max(0, stop.start() - _LONGEST_ABBREVIATION - 1) : stop.start()]
    word = "".join(itertools.takewhile(str.isalpha, reversed(before)))[::-1]
    after = _NEXT.match(text, stop.end())
    shortened = stop[0].startswith(".") and (len(word) < 3 or word.casefold() in _ABBREVIATIONS)
    return not shortened and not (after and after[1].islower())


def _count_word(text: str, word: str) -> int:
    """Whole words; in a script without spaces, wherever the signs stand."""
    pattern = re.escape(word.casefold())
    if not _UNSPACED.search(word):
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return len(re.findall(pattern, text.casefold()))


def _cased(text: str) -> bool | None:
    return True if any(letter.isupper() or letter.islower() for letter in text) else None


def _wrapped(text: str, pairs: tuple[tuple[str, str], ...]) -> bool:
    return len(text) > 2 and any(text.startswith(first) and text.endswith(last) for first, last in pairs)
