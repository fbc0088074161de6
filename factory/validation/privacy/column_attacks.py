"""The three attacks of the European data protection authorities' opinion on anonymisation (WP 216), as Giomi et al. 2023 measure them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from factory.validation.columns.attacks import (
    Predicate,
    count_links,
    count_singled_out,
    deal_secrets,
    guess,
    write_naive_predicates,
    write_predicates,
    write_rare_predicates,
)
from factory.validation.columns.closeness import Samples, draw_rows, take_samples
from factory.validation.columns.effects import Effect, critical, list_effects
from factory.validation.columns.encoding import Encoded
from factory.validation.columns.kept import computed_once
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z, seeded, wilson
from factory.validation.metric import LINE, Row, metric
from factory.validation.privacy.column_risk import PROPAGATED, RISK, Attack, find_risk, rates_of_attack, rows_of_attack
from factory.validation_spec import Gate

ATTACKS = 2_000
MOST_PAIRS = 100_000_000
"""Pairs of a target and a synthetic row for one declared secret, about, where these are few: a secret that is easily guessed without the
table needs many targets, as the risk is then a small part of few wrong guesses."""
FEWEST_COLUMNS = 3
"""Columns of a predicate, as in the figures of Giomi et al. 2023; half of all where that is more, or few would single out."""
TOLERANCE = 0.05
"""How far a guessed number may be off: a share of itself, as in Giomi et al. 2023; for a date, of the range."""
BENCH = "above what clean splits of UCI Adult reach at 2,000 rows, below a fifth of copies: docs/validation-metrics.md"


@metric(
    "privacy",
    "info",
    "risk of being singled out by a value that one synthetic row has",
    f"{RISK}; predicates of one column",
    PROPAGATED,
    of="columns",
)
def singling_out_by_one(columns: Columns) -> Iterator[Row]:
    samples = take_distinct(columns)
    predicates = write_rare_predicates(samples.synthetic, ATTACKS, seeded("columns:singling_out_by_one")) if samples else []
    yield from rows_of_attack(single_out(samples, predicates, 1) if samples else None)


@metric(
    "privacy",
    "max",
    "risk of being singled out by values that one synthetic row has together",
    f"{RISK}; predicates of half of the columns, and at least three",
    PROPAGATED,
    of="columns",
    gate=Gate(max=0.08),
    because=BENCH,
)
def singling_out(columns: Columns) -> Iterator[Row]:
    """Where no predicate holds of one synthetic row alone the risk is 0, with the interval of a share of the rows that were tried."""
    samples = take_distinct(columns)
    if samples is None:
        yield Row(LINE, None)
        return
    width = max(FEWEST_COLUMNS, len(columns.kinds) // 2)
    predicates, tries = write_predicates(samples.synthetic, width, ATTACKS, seeded("columns:singling_out"))
    if predicates:
        yield from rows_of_attack(single_out(samples, predicates, width))
    else:
        yield Row(LINE, 0.0, *wilson(0, tries), tries)


@metric(
    "privacy",
    "max",
    "risk that two halves of a person's row, known from two sources, are linked by the synthetic table",
    f"{RISK}; the same nearest synthetic row by Gower's distance in every other column and in the rest",
    PROPAGATED,
    of="columns",
    gate=Gate(max=0.03),
    because=BENCH,
)
def linkability(columns: Columns) -> Iterator[Row]:
    samples = take_samples(columns)
    if samples is None or len(columns.kinds) < 2:
        yield Row(LINE, None)
        return
    yield from rows_of_attack(link(samples, (list(columns.kinds)[::2], list(columns.kinds)[1::2])))


@metric(
    "privacy",
    "max",
    "risk that a value of the worst sensitive column, or any value where none is declared, is guessed from all other columns",
    f"{RISK}; the value of the nearest synthetic row by Gower's distance, right where equal or a number within 5 %",
    f"{PROPAGATED}; simultaneous over sensitive columns (Bonferroni)",
    of="columns",
    gate=Gate(max=0.15),
    because=BENCH,
)
def attribute_inference(columns: Columns) -> Iterator[Row]:
    """The greatest risk of a declared secret, all targets being asked for each, then that of each secret and the rates of the surest.

    Where none is declared, the risk of a guess of a column drawn at random, then that of each, of as many guesses as fall to
    it. Constant columns are no secrets.
    """
    samples = take_samples(columns)
    secrets = [name for name in columns.sensitive or columns.kinds if columns.real[name].n_unique() > 1]
    if samples is None or not secrets or len(columns.kinds) < 2:
        yield Row(LINE, None)
        return
    if columns.sensitive:
        # As many more targets as keep the simultaneous interval as wide as that of one secret.
        size = round(max(ATTACKS, MOST_PAIRS // samples.synthetic.rows) * (critical(len(secrets)) / Z) ** 2)
        attacks = infer(columns, samples, dict.fromkeys(secrets, slice(None)), size)
        yield from list_effects([_risk_of_secret(name, attack) for name, attack in attacks.items()], "max", measured=True)
        yield from rates_of_attack(max(attacks.values(), key=lambda attack: find_risk(attack)[2]))
        return
    attacks = infer(columns, samples, deal_secrets(secrets))
    yield from rows_of_attack(_pool(list(attacks.values())))
    yield from (_risk_of_secret(name, attack).row for name, attack in attacks.items() if min(attack.size, attack.holdout_size))


def _risk_of_secret(name: str, attack: Attack) -> Effect:
    return Effect(f"secret={name}", find_risk(attack)[0], lambda z: find_risk(attack, z)[1:], attack.size)


def single_out(samples: Samples, predicates: Sequence[Predicate], columns: int) -> Attack | None:
    """How many predicates hold of one row of the training, and how many of one of the holdout, of as many rows; None of no predicate."""
    if not predicates:
        return None
    size = len(predicates)
    naive = write_naive_predicates(samples.synthetic, columns, size, seeded(f"columns:naive:{columns}"))
    train, holdout = samples.train, samples.holdout
    return Attack(count_singled_out(predicates, train), count_singled_out(predicates, holdout), count_singled_out(naive, train), size, size)


def link(samples: Samples, halves: tuple[Sequence[str], Sequence[str]]) -> Attack:
    """Links of rows of both sides; who draws a synthetic row for each half has the same one in one of their number."""
    train, holdout = draw_rows(samples.train, ATTACKS), draw_rows(samples.holdout, ATTACKS)
    links = [count_links(targets, samples.synthetic, halves) for targets in (train, holdout)]
    return Attack(links[0], links[1], train.rows / samples.synthetic.rows, train.rows, holdout.rows)


def infer(columns: Columns, samples: Samples, targets: Mapping[str, slice], size: int = ATTACKS) -> dict[str, Attack]:
    """Right guesses of each secret, of its targets among `size` rows; who draws a synthetic row guesses by the table's shares alone."""
    rng = seeded("columns:naive:inference")
    sides = [draw_rows(side, size) for side in (samples.train, samples.holdout)]
    attacks = {}
    for secret, chosen in targets.items():
        train, holdout = (side.take(np.arange(side.rows)[chosen]) for side in sides)
        known = [name for name in samples.synthetic.names if name != secret]
        of_train, of_holdout, naive = (
            count_right(columns, secret, asked, samples.synthetic.take(places))
            for asked, places in (
                (train, guess(train, samples.synthetic, known)),
                (holdout, guess(holdout, samples.synthetic, known)),
                (train, rng.integers(samples.synthetic.rows, size=train.rows)),
            )
        )
        attacks[secret] = Attack(of_train, of_holdout, naive, train.rows, holdout.rows)
    return attacks


def count_right(columns: Columns, secret: str, targets: Encoded, guesses: Encoded) -> int:
    """How many guesses are right: equal, a number within TOLERANCE of the guess, a date within TOLERANCE of the range."""
    at = targets.names.index(secret)
    code, guessed = targets.codes[:, at], guesses.codes[:, at]
    right = code == guessed
    if columns.kinds[secret] == "number":
        near = np.abs(targets.values[:, at] - guesses.values[:, at]) <= TOLERANCE * np.abs(guesses.values[:, at])
        right |= near & (code > 0) & (guessed > 0)
    elif columns.kinds[secret] == "date":
        right |= (np.abs(targets.scaled[:, at] - guesses.scaled[:, at]) <= TOLERANCE) & (code > 0) & (guessed > 0)
    return int(np.count_nonzero(right))


@computed_once
def take_distinct(columns: Columns) -> Samples | None:
    """The samples with each row once, train and holdout of one size: of more rows fewer are singled out by one predicate."""
    samples = take_samples(columns)
    if samples is None:
        return None
    train, holdout = samples.train.distinct(), samples.holdout.distinct()
    size = min(train.rows, holdout.rows)
    return Samples(draw_rows(train, size), draw_rows(holdout, size), samples.synthetic.distinct())


def _pool(attacks: Sequence[Attack]) -> Attack:
    return Attack(
        sum(each.train for each in attacks),
        sum(each.holdout for each in attacks),
        sum(each.naive for each in attacks),
        sum(each.size for each in attacks),
        sum(each.holdout_size for each in attacks),
    )
