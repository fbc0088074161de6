"""Faults in tables: random parts of UCI Adult that share no row, and what is planted into the part that stands for the synthetic one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
from adult import KINDS
from planted import Fault, Plant

from factory.validation.columns.table import Columns

QUASI_IDENTIFIERS = ("age", "sex", "race", "native_country")
SENSITIVE = ("occupation",)
GROUPS = ("sex", "race")
TARGET = "income"
LEAST_GROUP = 0.02
"""Groups below 2 % are left out of ratios, and so of what is planted (Uniform Guidelines, 29 CFR 1607.15 A(2)(a))."""
STEP = 0.1
"""Standard deviations by which an edited number moves, about."""
MOSTLY_ZERO = 0.5
LEAST_LEAF = 10

Rows = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


def split_adult(adult: pl.DataFrame, size: int, seed: int) -> Columns:
    """Three random parts of `size` rows each: real, synthetic and holdout."""
    rows = adult.sample(3 * size, shuffle=True, seed=seed)
    parts = (rows[start : start + size] for start in (0, size, 2 * size))
    return Columns(*parts, KINDS, QUASI_IDENTIFIERS, SENSITIVE, GROUPS, TARGET)


def shuffle(share: float) -> Plant[Columns]:
    """Every column on its own, within a share of the rows."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        size = round(share * rows.height)
        mixed = rows[:size].select(column.gather(rng.permutation(size)) for column in rows[:size].get_columns())
        return pl.concat([mixed, rows[size:]])

    return _into_synthetic(plant)


def shift(by: float) -> Plant[Columns]:
    """The mean of a number by so many standard deviations."""

    def plant(table: Columns, rng: np.random.Generator) -> Columns:
        column = pl.col(_draw_number(table, rng))
        return replace(table, synthetic=table.synthetic.with_columns(column + by * column.std()))

    return plant


def drop_tails(share: float) -> Plant[Columns]:
    """The rows at either end of a number, and others in their place."""

    def plant(table: Columns, rng: np.random.Generator) -> Columns:
        column, rows = _draw_number(table, rng), table.synthetic
        low, high = (rows[column].quantile(level, "lower") for level in (share, 1 - share))
        return replace(table, synthetic=_draw_anew(rows.filter(pl.col(column).is_between(low, high)), rows.height, rng))

    return plant


def lose_group(share: float) -> Plant[Columns]:
    """A share of the rows of a declared group, and others in their place."""

    def plant(table: Columns, rng: np.random.Generator) -> Columns:
        rows = table.synthetic
        counted = [(name, value, count) for name in table.groups for value, count in rows[name].value_counts().rows()]
        groups = sorted((name, value) for name, value, count in counted if LEAST_GROUP * rows.height <= count <= rows.height / 2)
        name, value = groups[rng.integers(len(groups))]
        lost = pl.Series(rng.random(rows.height) < share)
        return replace(table, synthetic=_draw_anew(rows.filter((pl.col(name) != value) | ~lost), rows.height, rng))

    return plant


def copy_rows(share: float, edits: int) -> Plant[Columns]:
    """Rows of the real part in place of a share of the synthetic ones, in each of them other columns edited.

    An edited number moves by a normal step of a tenth of its standard deviation, and by 1 at the least; a category becomes
    any other.
    """

    def plant(table: Columns, rng: np.random.Generator) -> Columns:
        size = round(share * table.synthetic.height)
        originals = table.real[rng.choice(table.real.height, size, replace=False)]
        edited = np.argsort(rng.random((size, len(table.kinds))), axis=1) < edits
        columns = []
        for at, (name, kind) in enumerate(table.kinds.items()):
            if kind == "number":
                step = STEP * float(np.std(table.real[name].to_numpy())) * rng.standard_normal(size)
                other = originals[name] + pl.Series(np.sign(step) * np.ceil(np.abs(step)))
            else:
                values = table.real[name].unique().sort()
                other = values[(values.search_sorted(originals[name]) + rng.integers(1, len(values), size)) % len(values)]
            columns.append(originals[name].zip_with(pl.Series(~edited[:, at]), other).alias(name))
        return replace(table, synthetic=pl.concat([pl.DataFrame(columns), table.synthetic[size:]]))

    return plant


def repeat(share: float) -> Plant[Columns]:
    """One row in place of a share of them."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        order = np.arange(rows.height)
        order[: round(share * rows.height)] = rng.integers(rows.height)
        return rows[order]

    return _into_synthetic(plant)


def write_again(generations: int, trim: float) -> Plant[Columns]:
    """A generator of trees learns from the synthetic part, writes as many rows, learns from these alone, and so on."""

    def plant(table: Columns, rng: np.random.Generator) -> Columns:
        rows = table.synthetic
        for _ in range(generations):
            rows = _write_by_trees(rows, rng, trim)
        return replace(table, synthetic=rows)

    return plant


def _write_by_trees(rows: pl.DataFrame, rng: np.random.Generator, trim: float) -> pl.DataFrame:
    """As many new rows: each column is drawn from the leaf of a tree of the columns before (Nowok, Raab & Dibben 2016, synthpop).

    `trim` leaves out the rarest values of each leaf, of numbers the outermost, that together hold no more than this share, as
    nucleus sampling of language models does (Holtzman et al. 2020). A number of which most values are distinct is smoothed by
    Silverman's bandwidth.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    codes = [_encode(column) for column in rows.get_columns()]
    drawn, written = [], []
    for at, column in enumerate(rows.get_columns()):
        number = column.dtype == pl.Float64
        if at:
            tree = (DecisionTreeRegressor if number else DecisionTreeClassifier)(min_samples_leaf=LEAST_LEAF, random_state=0)
            known, new = np.array(codes[:at]).T, np.array(drawn).T
            leaves, places = tree.fit(known, codes[at]).apply(known), tree.apply(new)
        else:
            leaves = places = np.zeros(rows.height, dtype=int)
        donors = np.zeros(rows.height, dtype=int)
        for leaf in np.unique(places):
            there = places == leaf
            donors[there] = rng.choice(_keep_common(np.flatnonzero(leaves == leaf), codes[at], trim, number), int(there.sum()))
        values = codes[at][donors]
        if number and column.n_unique() > rows.height / 2:
            values = np.round(values + 0.9 * values.std() * rows.height**-0.2 * rng.standard_normal(rows.height))
        drawn.append(values)
        written.append(pl.Series(column.name, values) if number else column.gather(donors))
    return pl.DataFrame(written)


def _encode(column: pl.Series) -> np.ndarray:
    if column.dtype == pl.Float64:
        return column.to_numpy()
    return column.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(float)


def _keep_common(members: np.ndarray, codes: np.ndarray, trim: float, number: bool) -> np.ndarray:
    values, place, counts = np.unique(codes[members], return_inverse=True, return_counts=True)
    order = np.argsort(-np.abs(values - np.median(codes[members])) if number else counts, kind="stable")
    rare = order[np.cumsum(counts[order]) <= trim * members.size]
    return members[~np.isin(place, rare)]


def _into_synthetic(plant: Rows) -> Plant[Columns]:
    return lambda table, rng: replace(table, synthetic=plant(table.synthetic, rng))


def _draw_number(table: Columns, rng: np.random.Generator) -> str:
    """A number that varies: nine in ten of Adult's gains and losses are 0."""
    numbers = [name for name in table.of_kind("number") if (table.real[name] == 0).mean() < MOSTLY_ZERO]
    return numbers[rng.integers(len(numbers))]


def _draw_anew(rows: pl.DataFrame, size: int, rng: np.random.Generator) -> pl.DataFrame:
    return rows[rng.integers(rows.height, size=size)]


COPIES = ("privacy.identical_rows_excess", "privacy.closer_to_train", "privacy.near_copies", "privacy.close_rows")
COLLAPSE = ("collapse.column_rare_categories", "collapse.column_variety", "fidelity.column_categories", "fidelity.column_tails")
FAULTS: tuple[Fault[Columns], ...] = (
    Fault(
        "columns shuffled",
        {f"{share:.0%} of the rows": shuffle(share) for share in (0.25, 0.5, 1.0)},
        ("fidelity.pair_association", "fidelity.pair_matrix", "fidelity.column_classifier"),
    ),
    Fault("a mean shifted", {f"{by:g} sd": shift(by) for by in (0.3, 0.5, 1.0)}, ("fidelity.column_means", "fidelity.column_distance")),
    Fault("tails dropped", {f"{share:.0%} at each end": drop_tails(share) for share in (0.05, 0.1, 0.2)}, ("fidelity.column_tails",)),
    Fault(
        "a group missing",
        {f"{share:.0%} of it": lose_group(share) for share in (0.5, 0.75, 1.0)},
        ("fairness.column_cell_share", "fairness.column_group_shift", "fidelity.column_categories"),
    ),
    Fault("rows of the training copied", {f"{share:.0%} of the rows": copy_rows(share, 0) for share in (0.05, 0.2, 0.5)}, COPIES),
    Fault("copies with two columns edited", {f"{share:.0%} of the rows": copy_rows(share, 2) for share in (0.05, 0.2, 0.5)}, COPIES),
    Fault("one row repeated", {f"{share:.0%} of the rows": repeat(share) for share in (0.1, 0.3, 0.6)}, ("fidelity.repeated_row",)),
    Fault("a generator of its own rows", {f"{count} generations": write_again(count, 0.0) for count in (1, 3, 5)}, COLLAPSE),
    Fault("the same, without the rarest tenth", {f"{count} generations": write_again(count, 0.1) for count in (1, 3, 5)}, COLLAPSE),
)
