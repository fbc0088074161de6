"""Procedural passages with questions and answers, in English and Indonesian: what the pico teacher learns to read from.

A passage speaks of one invented subject in three to six sentences, each stating one fact. A question asks for one fact; its answer is
that sentence with the subject named. Names and values are mostly invented syllables, so that a model must copy, not recall.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from factory.pico.relations import (
    BAGIAN,
    PARTS,
    Fill,
    Relation,
    draw_english_relation,
    draw_indonesian_relation,
    draw_kata,
    draw_word,
    invent_name,
    invent_word,
)
from factory.problems.vocabulary import COLORS, INDONESIAN_WORDS


@dataclass(frozen=True)
class Passage:
    """A text with its questions; `questions` pairs a question with the full sentence that answers it."""

    text: str
    questions: tuple[tuple[str, str], ...]


PRONOUN_SHARE, PART_SHARE = 0.2, 0.2
"""Of the sentences after the first: how many speak of "it", and how many of a part of the subject."""
ANY_VERB_SHARE = 0.5
"""Sentences whose verb is drawn by grammar, not from the relations below."""


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


WORDS, KATA = _listed(draw_word, "and"), _listed(draw_kata, "dan")
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
        Relation("builds its nest in {v}", ("Where does {s} build its nest?",), _of("the", draw_word)),
        Relation("sleeps in {v}", ("Where does {s} sleep?",), _of("the", draw_word)),
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
            _of(draw_word, _pick("milk", "oil", "sauce", "water", "leaves")),
        ),
        Relation("is cooked for {v} hours", ("How long is {s} cooked?",), _number),
        Relation("is seasoned with {v}", ("What is {s} seasoned with?", "Which spices are in {s}?"), WORDS),
        Relation("contains {v}", ("What does {s} contain?",), WORDS),
        Relation("is wrapped in {v}", ("What is {s} wrapped in?",), _of(draw_word, "leaves")),
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
        Relation("dimainkan pada {v}", ("Kapan {s} dimainkan?",), _of(_pick("upacara", "pesta", "malam", "hari", "acara"), draw_kata)),
        Relation(
            "digunakan untuk {v}", ("Untuk apa {s} digunakan?",), _of(_pick("mengiringi", "membuat", "menyambut", "menjaga"), draw_kata)
        ),
        Relation("diakui oleh {v}", ("Siapa yang mengakui {s}?",), invent_name),
        Relation("dikenal sejak {v}", ("Sejak kapan {s} dikenal?",), _of("tahun", lambda r: str(r.randint(1000, 2020)))),
        Relation("ditemukan di {v}", ("Di mana {s} ditemukan?",), DAERAH),
        Relation("berbentuk seperti {v}", ("Seperti apa bentuk {s}?", "Bagaimana bentuk {s}?"), draw_kata),
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
    """A passage of 3 to 6 sentences about one invented subject, with a question for every sentence."""
    fixed = (ENGLISH if language == "en" else INDONESIAN)[kind := rng.choice(list(ENGLISH if language == "en" else INDONESIAN))]
    draw = draw_english_relation if language == "en" else draw_indonesian_relation
    subject, pronouns = _subject(rng, kind, language)
    sentences, questions = [], []
    for number, relation in enumerate(rng.sample(fixed, min(len(fixed), rng.randint(3, 6)))):
        relation = draw(rng) if rng.random() < ANY_VERB_SHARE else relation
        statement, drawn = relation.statement.format(v=relation.values(rng)), rng.random()
        about = _name_part(rng, subject, language) if number and drawn < PART_SHARE else subject
        speaker = rng.choice(pronouns) if number and drawn > 1 - PRONOUN_SHARE else about
        sentences.append(f"{_capital(speaker)} {statement}.")
        question = rng.choice(relation.questions).format(s=about, S=_capital(about))
        questions.append((question, f"{_capital(about)} {statement}."))
    return Passage(" ".join(sentences), tuple(questions))


def _name_part(rng: random.Random, subject: str, language: str) -> str:
    return f"the {rng.choice(PARTS)} of {subject}" if language == "en" else f"{rng.choice(BAGIAN)} {subject}"


def _subject(rng: random.Random, kind: str, language: str) -> tuple[str, tuple[str, ...]]:
    if language == "id":
        name = invent_word(rng) if rng.random() < 0.6 else f"{rng.choice(INDONESIAN_WORDS)} {invent_word(rng)}"
        return name, ("alat musik ini", "alat ini", "ia") if kind == "alat" else ("hewan ini", "ia")
    name = rng.choice((draw_word(rng), f"{draw_word(rng)} {draw_word(rng)}", f"{invent_name(rng)} {draw_word(rng)}", invent_word(rng)))
    if kind == "animal":
        return f"the {name}", ("it", "it", "this animal")
    if kind == "dish":
        return name, ("it", "it", "this dish", "the dish")
    return invent_name(rng), ("it", "the town")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
