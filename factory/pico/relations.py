"""Facts of any verb, drawn by grammar: what keeps the pico teacher from reading only the sentences of the fixed relations."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from factory.problems.vocabulary import CITIES, COLORS, ENGLISH_WORDS, FIRST_NAMES, INDONESIAN_WORDS

Fill = Callable[[random.Random], str]


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


def draw_word(rng: random.Random) -> str:
    """An English word, or an invented one."""
    return rng.choice(ENGLISH_WORDS) if rng.random() < 0.7 else invent_word(rng)


def draw_kata(rng: random.Random) -> str:
    """An Indonesian word, or an invented one."""
    return rng.choice(INDONESIAN_WORDS) if rng.random() < 0.7 else invent_word(rng)


VERBS = tuple(
    tuple(pair.split("/"))
    for pair in """carry/carries build/builds push/pushes bury/buries store/stores dig/digs swallow/swallows defend/defends mark/marks
    bite/bites need/needs use/uses make/makes keep/keeps give/gives find/finds lift/lifts prefer/prefers show/shows bring/brings
    cover/covers kill/kills visit/visits love/loves hide/hides choose/chooses open/opens grind/grinds soak/soaks boil/boils mix/mixes
    bind/binds wrap/wraps stir/stirs serve/serves cook/cooks eat/eats hunt/hunts lay/lays hold/holds buy/buys sell/sells clean/cleans
    paint/paints pull/pulls cut/cuts wash/washes guard/guards follow/follows call/calls name/names protect/protects leave/leaves""".split()
)
PARTICIPLES = tuple(
    """made cooked served seasoned wrapped covered filled found built sold eaten boiled dried mixed fried named protected threatened
    loved visited carried kept played used buried hidden cut ground poured called known chosen painted washed""".split()
)
ADJECTIVES = tuple("long short small large thin thick dark old young warm cold dry wet soft hard sweet fresh strong weak special".split())
PARTS = tuple("name top skin sauce shell tail colour smell taste food home owner price shape side nest maker leaf paste wall".split())
TIMES = tuple(
    "at night,during the day,in the morning,in the evening,in the dry season,in the rainy season,at dawn,on holidays,before lunch".split(
        ","
    )
)
ACTIVE = tuple(
    tuple(pair.split("/"))
    for pair in """memakai/dipakai memerlukan/diperlukan membawa/dibawa menghasilkan/dihasilkan membuat/dibuat memimpin/dipimpin
    mengatur/diatur menandai/ditandai memainkan/dimainkan menunjukkan/ditunjukkan menjual/dijual menjaga/dijaga mengiringi/diiringi
    menutup/ditutup menghias/dihias memukul/dipukul memetik/dipetik melipat/dilipat mengikat/diikat memegang/dipegang""".split()
)
BAGIAN = tuple("badan senar tabung bunyi nama pemain pembuat kulit ujung kepala warna suara bagian pemilik wadah".split())
WAKTU = tuple("malam hari,pagi hari,musim hujan,musim kemarau,hari libur,upacara adat,pesta pernikahan,acara keluarga".split(","))


def _noun(rng: random.Random) -> str:
    return f"{rng.choice(ADJECTIVES)} {draw_word(rng)}" if rng.random() < 0.35 else draw_word(rng)


def _object(rng: random.Random) -> str:
    return rng.choice((f"the {_noun(rng)}", f"its {_noun(rng)}", f"{_noun(rng)} and {draw_word(rng)}", _noun(rng)))


def _benda(rng: random.Random) -> str:
    return rng.choice((draw_kata(rng), f"{draw_kata(rng)} {draw_kata(rng)}", f"{draw_kata(rng)} dan {draw_kata(rng)}"))


def draw_english_relation(rng: random.Random) -> Relation:
    """An English fact of a drawn verb, active or passive, or a definition."""
    (base, third), done, thing = rng.choice(VERBS), rng.choice(PARTICIPLES), _object(rng)
    by, at = rng.choice(("with", "from", "for")), rng.choice(("in", "on", "under", "near", "behind"))
    return rng.choice(
        (
            Relation(f"{third} {{v}}", (f"What does {{s}} {base}?",), _object),
            Relation(f"can {base} {{v}}", (f"What can {{s}} {base}?",), _object),
            Relation(f"{third} {thing} {by} {{v}}", (f"What does {{s}} {base} {thing} {by}?",), _object),
            Relation(f"{third} {thing} {at} the {{v}}", (f"Where does {{s}} {base} {thing}?",), _noun),
            Relation(f"{third} {thing} {{v}}", (f"When does {{s}} {base} {thing}?",), lambda r: r.choice(TIMES)),
            Relation(f"is {done} {by} {{v}}", (f"What is {{s}} {done} {by}?",), _object),
            Relation(f"is {done} {at} the {{v}}", (f"Where is {{s}} {done}?",), _noun),
            Relation(f"is {done} {{v}}", (f"When is {{s}} {done}?",), lambda r: r.choice(TIMES)),
            Relation(f"was {done} in {{v}}", (f"When was {{s}} {done}?",), lambda r: str(r.randint(1000, 2020))),
            Relation(f"is {done} by {{v}}", (f"Who or what is {{s}} {done} by?", f"By whom is {{s}} {done}?"), _object),
            Relation("is {v}", ("What is {s}?",), lambda r: f"a {_noun(r)} {r.choice(('of', 'from', 'in'))} {invent_name(r)}"),
            Relation("is {v}", ("What colour is {s}?",), lambda r: r.choice(COLORS)),
            Relation("has {v}", ("What does {s} have?",), _object),
        )
    )


def draw_indonesian_relation(rng: random.Random) -> Relation:
    """An Indonesian fact of a drawn verb, active or passive, or a definition."""
    active, passive = rng.choice(ACTIVE)
    thing = draw_kata(rng)
    return rng.choice(
        (
            Relation(f"{active} {{v}}", (f"Apa yang {passive} {{s}}?", f"Apa yang {passive} oleh {{s}}?"), _benda),
            Relation(f"{passive} dengan {{v}}", (f"Dengan apa {{s}} {passive}?",), _benda),
            Relation(f"{passive} di {{v}}", (f"Di mana {{s}} {passive}?",), lambda r: rng.choice((draw_kata(r), invent_name(r)))),
            Relation(f"{passive} oleh {{v}}", (f"Siapa yang {active} {{s}}?", f"Oleh siapa {{s}} {passive}?"), _benda),
            Relation(f"{passive} pada {{v}}", (f"Kapan {{s}} {passive}?",), lambda r: r.choice(WAKTU)),
            Relation(f"{passive} untuk {active} {{v}}", (f"Untuk apa {{s}} {passive}?",), _benda),
            Relation(f"{active} {thing} dengan {{v}}", (f"Dengan apa {{s}} {active} {thing}?",), _benda),
            Relation("adalah {v}", ("Apa itu {s}?",), lambda r: f"{draw_kata(r)} {draw_kata(r)} dari {invent_name(r)}"),
        )
    )
