"""Procedural passages with questions and answers, in English and Indonesian: what the pico teacher learns to read from.

A passage speaks of one invented subject in four to eight sentences, each stating one fact. A question asks for one fact; its answer is
that sentence with the subject named. Names and values are mostly invented syllables, so that a model must copy, not recall.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from factory.problems.vocabulary import CITIES, COLORS, ENGLISH_WORDS, FIRST_NAMES, INDONESIAN_WORDS

Fill = Callable[[random.Random], str]


@dataclass(frozen=True)
class Passage:
    """A text with its questions; `questions` pairs a question with the full sentence that answers it."""

    text: str
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Relation:
    """A fact: `statement` completes the subject, e.g. "lives in {v}"; `questions` ask for it, with {s} for the subject."""

    statement: str
    questions: tuple[str, ...]
    values: Fill


SYLLABLES = tuple(
    "ba be bi bo bu da de di do du ga gi go ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po ra re "
    "ri ro ru sa se si so su ta te ti to tu wa wi ya yo an en in un ar or am um al el".split()
)


def invent_word(rng: random.Random) -> str:
    """A pronounceable word of two to four syllables."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


def invent_name(rng: random.Random) -> str:
    """A proper name: a real city or person, or an invented one."""
    return rng.choice((rng.choice(CITIES), rng.choice(FIRST_NAMES), invent_word(rng).capitalize(), invent_word(rng).capitalize()))


def _word(rng: random.Random) -> str:
    return rng.choice(ENGLISH_WORDS) if rng.random() < 0.7 else invent_word(rng)


def _kata(rng: random.Random) -> str:
    return rng.choice(INDONESIAN_WORDS) if rng.random() < 0.7 else invent_word(rng)


def _listed(draw: Fill, conjunction: str) -> Fill:
    def fill(rng: random.Random) -> str:
        *first, last = [draw(rng) for _ in range(rng.randint(1, 3))]
        return f"{', '.join(first)} {conjunction} {last}" if first else last

    return fill


def _number(rng: random.Random) -> str:
    return str(rng.randint(2, 99) if rng.random() < 0.6 else rng.randint(100, 2020))


def _of(*parts: str | Fill) -> Fill:
    return lambda rng: " ".join(part if isinstance(part, str) else part(rng) for part in parts)


def _pick(*options: str) -> Fill:
    return lambda rng: rng.choice(options)


WORDS, KATA = _listed(_word, "and"), _listed(_kata, "dan")
PLACE = _of(
    _pick(
        "the forests of", "the islands of", "the west of", "the north of", "the hills of", "the coast of", "the city of", "the rivers of"
    ),
    invent_name,
)
DAERAH = _of(_pick("daerah", "pulau", "kota", "provinsi", "pesisir", "pegunungan"), invent_name)

ENGLISH: dict[str, tuple[Relation, ...]] = {
    "animal": (
        Relation("lives in {v}", ("Where does {s} live?", "Where can {s} be found?"), PLACE),
        Relation("lives on {v}", ("Where does {s} live?",), PLACE),
        Relation("eats {v}", ("What does {s} eat?", "What is the food of {s}?"), WORDS),
        Relation("feeds on {v}", ("What does {s} feed on?", "What does {s} eat?"), WORDS),
        Relation("hunts {v}", ("What does {s} hunt?",), WORDS),
        Relation("can grow to {v} metres", ("How long can {s} grow?", "How large is {s}?"), _number),
        Relation("weighs about {v} kilograms", ("How much does {s} weigh?", "How heavy is {s}?"), _number),
        Relation("can live for {v} years", ("How long can {s} live?", "How old can {s} become?"), _number),
        Relation("lays about {v} eggs", ("How many eggs does {s} lay?",), _number),
        Relation(
            "has {v}",
            ("What does {s} have?", "What does {s} look like?"),
            _of(
                _pick("long", "short", "sharp", "strong", "large", "small"),
                lambda r: r.choice(COLORS),
                _pick("claws", "feathers", "wings", "teeth", "legs", "ears", "eyes", "horns"),
            ),
        ),
        Relation("builds its nest in {v}", ("Where does {s} build its nest?",), _of("the", _word)),
        Relation("sleeps in {v}", ("Where does {s} sleep?",), _of("the", _word)),
        Relation(
            "is active {v}",
            ("When is {s} active?",),
            _pick("at night", "during the day", "at dawn", "in the evening", "in the rainy season"),
        ),
        Relation("was first described in {v}", ("When was {s} first described?",), lambda r: str(r.randint(1700, 2020))),
        Relation("is threatened by {v}", ("What threatens {s}?",), WORDS),
        Relation("is protected in {v}", ("Where is {s} protected?",), PLACE),
    ),
    "dish": (
        Relation("is made from {v}", ("What is {s} made from?", "What is in {s}?"), WORDS),
        Relation("is a dish from {v}", ("Where does {s} come from?", "Where is {s} from?"), PLACE),
        Relation("comes from {v}", ("Where does {s} come from?",), PLACE),
        Relation("is served with {v}", ("What is {s} served with?",), WORDS),
        Relation("is eaten with {v}", ("What is {s} eaten with?",), WORDS),
        Relation(
            "is cooked in {v}",
            ("What is {s} cooked in?", "How is {s} cooked?"),
            _of(_word, _pick("milk", "oil", "sauce", "water", "leaves")),
        ),
        Relation("is cooked for {v} hours", ("How long is {s} cooked?",), _number),
        Relation("is seasoned with {v}", ("What is {s} seasoned with?", "Which spices are in {s}?"), WORDS),
        Relation("contains {v}", ("What does {s} contain?",), WORDS),
        Relation("is wrapped in {v}", ("What is {s} wrapped in?",), _of(_word, "leaves")),
        Relation(
            "is eaten {v}",
            ("When is {s} eaten?",),
            _pick("in the morning", "for breakfast", "at weddings", "on holidays", "at night", "for lunch"),
        ),
        Relation("tastes {v}", ("How does {s} taste?",), _listed(_pick("sweet", "sour", "salty", "spicy", "rich", "mild"), "and")),
        Relation(
            "is sold by {v}",
            ("Who sells {s}?",),
            _of(_pick("street", "market", "young", "old"), _pick("cooks", "sellers", "vendors", "families")),
        ),
    ),
    "place": (
        Relation("lies in {v}", ("Where does {s} lie?", "Where is {s}?"), PLACE),
        Relation("has about {v} people", ("How many people live in {s}?",), _number),
        Relation("is known for {v}", ("What is {s} known for?",), WORDS),
        Relation("was founded in {v}", ("When was {s} founded?",), lambda r: str(r.randint(900, 2020))),
        Relation("is named after {v}", ("After whom is {s} named?",), invent_name),
        Relation("sells {v}", ("What does {s} sell?",), WORDS),
    ),
}
INDONESIAN: dict[str, tuple[Relation, ...]] = {
    "alat": (
        Relation("berasal dari {v}", ("Dari mana {s} berasal?", "Dari mana asal {s}?"), DAERAH),
        Relation("terbuat dari {v}", ("Terbuat dari apa {s}?", "{S} terbuat dari apa?"), KATA),
        Relation("dibuat dari {v}", ("Dibuat dari apa {s}?",), KATA),
        Relation(
            "dimainkan dengan cara {v}",
            ("Bagaimana cara memainkan {s}?", "Bagaimana {s} dimainkan?"),
            _pick("dipukul", "digoyangkan", "dipetik", "ditiup", "digesek", "ditepuk", "diketuk", "digetarkan"),
        ),
        Relation("memiliki {v} senar", ("Berapa senar yang dimiliki {s}?", "Berapa jumlah senar {s}?"), _number),
        Relation("memiliki {v}", ("Apa yang dimiliki {s}?",), KATA),
        Relation("dimainkan pada {v}", ("Kapan {s} dimainkan?",), _of(_pick("upacara", "pesta", "malam", "hari", "acara"), _kata)),
        Relation("digunakan untuk {v}", ("Untuk apa {s} digunakan?",), _of(_pick("mengiringi", "membuat", "menyambut", "menjaga"), _kata)),
        Relation("diakui oleh {v}", ("Siapa yang mengakui {s}?",), invent_name),
        Relation("dikenal sejak {v}", ("Sejak kapan {s} dikenal?",), _of("tahun", lambda r: str(r.randint(1000, 2020)))),
        Relation("ditemukan di {v}", ("Di mana {s} ditemukan?",), DAERAH),
        Relation("berbentuk seperti {v}", ("Seperti apa bentuk {s}?", "Bagaimana bentuk {s}?"), _kata),
        Relation(
            "menghasilkan bunyi yang {v}", ("Bagaimana bunyi {s}?",), _pick("lembut", "nyaring", "merdu", "rendah", "tinggi", "keras")
        ),
    ),
    "hewan": (
        Relation("hidup di {v}", ("Di mana {s} hidup?",), DAERAH),
        Relation("makan {v}", ("Apa makanan {s}?", "Apa yang dimakan {s}?"), KATA),
        Relation("memiliki berat {v} kilogram", ("Berapa berat {s}?",), _number),
        Relation("bertelur {v} butir", ("Berapa telur {s}?",), _number),
    ),
}


def write_passage(rng: random.Random, language: str) -> Passage:
    """A passage about one invented subject, with a question for every sentence but the filler."""
    relations = (ENGLISH if language == "en" else INDONESIAN)[kind := rng.choice(list(ENGLISH if language == "en" else INDONESIAN))]
    subject, pronouns = _subject(rng, kind, language)
    sentences, questions = [], []
    for number, relation in enumerate(rng.sample(relations, min(len(relations), rng.randint(3, 7)))):
        statement = relation.statement.format(v=relation.values(rng))
        speaker = subject if number == 0 or rng.random() < 0.25 else rng.choice(pronouns)
        sentences.append(f"{_capital(speaker)} {statement}.")
        question = rng.choice(relation.questions).format(s=subject, S=_capital(subject))
        questions.append((question, f"{_capital(subject)} {statement}."))
    return Passage(" ".join(sentences), tuple(questions))


def _subject(rng: random.Random, kind: str, language: str) -> tuple[str, tuple[str, ...]]:
    if language == "id":
        name = invent_word(rng) if rng.random() < 0.6 else f"{rng.choice(INDONESIAN_WORDS)} {invent_word(rng)}"
        return name, ("alat musik ini", "alat ini", "ia") if kind == "alat" else ("hewan ini", "ia")
    name = rng.choice((_word(rng), f"{_word(rng)} {_word(rng)}", f"{invent_name(rng)} {_word(rng)}", invent_word(rng)))
    if kind == "animal":
        return f"the {name}", ("it", "it", "this animal")
    if kind == "dish":
        return name, ("it", "it", "this dish", "the dish")
    return invent_name(rng), ("it", "the town")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
