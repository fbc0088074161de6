"""Evidence: the frames of a line that metrics read, and what several metrics compute of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from factory.personal_data.spec import PersonalDataSpec
from factory.records import CANARY, DOCUMENT, PREFERENCE, TOPIC, VERDICT, empty, take_examples
from factory.seeds.canaries import Canary, read_canaries
from factory.seeds_spec import KINDS
from factory.validation.columns.table import Columns
from factory.validation.distances import Comparison, compare_lengths, compare_vocabulary
from factory.validation.embedding import Vectors, embed_texts
from factory.validation.text import shape_numbers, words
from factory.validation_spec import Kind

GROUP = "group:"
NO_GROUP = "(none)"
"""Value of a declared group for the records that do not declare it."""

TEXTS = {name: VERDICT[name] for name in ("record_id", "leaf", "instruction", "response")}
"""Columns of the records of an earlier release."""

MOST_COMPARED = 2_000
"""Texts of a side that are compared as wholes, about: some of the metrics grow with the square of it."""


@dataclass(frozen=True)
class Evidence:
    """What the metrics read; every frame sorted by record id, so that nothing depends on the order of rows.

    `embedder` is a sentence-transformers model, or None for the embedding that needs no download; `population` gives the
    share that each value of a declared group has among those whom the line is for, by group; `personal_data`
    says what counts as such; `previous` has the texts of the line's previous release, no rows where there is none;
    `counterfactuals` are COUNTERFACTUAL rows, or None where the line names no group terms.
    """

    accepted: pl.DataFrame
    seeds: pl.DataFrame
    documents: pl.DataFrame = field(default_factory=lambda: empty(DOCUMENT))
    verdicts: pl.DataFrame = field(default_factory=lambda: empty(VERDICT))
    pairs: pl.DataFrame = field(default_factory=lambda: empty(PREFERENCE))
    embedder: str | None = None
    population: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    personal_data: PersonalDataSpec = field(default_factory=PersonalDataSpec)
    previous: pl.DataFrame = field(default_factory=lambda: empty(TEXTS))
    counterfactuals: pl.DataFrame | None = None

    planted: pl.DataFrame = field(init=False)
    """The canaries among the given seeds, which are no rows of `seeds` then."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "planted", self.seeds.filter(pl.col("kind") == CANARY))
        object.__setattr__(self, "seeds", self.seeds.filter(pl.col("kind").ne_missing(CANARY)))
        # What is made from a topic is of the kind of its leaf, and is compared with that.
        of_leaf = pl.col("leaf").str.split("/").list.first().replace(KINDS)
        object.__setattr__(self, "seeds", self.seeds.with_columns(kind=pl.when(pl.col("kind") == TOPIC).then(of_leaf).otherwise("kind")))
        names = self.group_names
        for name in ("accepted", "seeds", "verdicts"):
            object.__setattr__(self, name, _spread_groups(getattr(self, name), names).sort("record_id"))
        object.__setattr__(self, "documents", self.documents.sort("record_id"))

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the declared groups; each is a column `group:<name>` of seeds, verdicts and accepted."""
        declared = pl.concat([frame["groups"] for frame in (self.seeds, self.verdicts, self.accepted)]).explode().drop_nulls()
        return sorted(declared.struct.field("name").unique()) if declared.len() else []

    @cached_property
    def canaries(self) -> dict[str, Canary]:
        """The planted secrets by record id."""
        return read_canaries(self.planted)

    def counts(self, column: str) -> dict[str, int]:
        """Accepted records by the values of a column."""
        return dict(self.accepted.group_by(column).len().sort(column).iter_rows())

    def reference(self, column: str) -> dict[str, float]:
        """Shares of a column's values among the seeds, each leaf weighing the same."""
        leaves = self.seeds["leaf"].n_unique()
        counts = self.seeds.select("leaf", value=column).group_by("leaf", "value").len()
        weighed = counts.with_columns(weight=pl.col("len") / pl.col("len").sum().over("leaf"))
        parts = weighed.group_by("value").agg("weight").sort("value")
        return {value: math.fsum(weights) / leaves for value, weights in parts.iter_rows()}

    @cached_property
    def synthetic(self) -> pl.DataFrame:
        """Texts of the accepted records: record_id, leaf, instruction, response and their words."""
        return _with_words(self.accepted.select(*TEXTS))

    @cached_property
    def previous_texts(self) -> pl.DataFrame:
        """Texts of the previous release, with the columns of `synthetic`."""
        return _with_words(self.previous.select(*TEXTS)).sort("record_id")

    @cached_property
    def examples(self) -> pl.DataFrame:
        """The seeds that are examples. A topic counts where leaves and their attributes are compared, and not where texts are."""
        return take_examples(self.seeds)

    @cached_property
    def real(self) -> pl.DataFrame:
        """Texts of all seed examples, both splits, with the columns of `synthetic`."""
        return _with_words(self.examples.select("record_id", "leaf", instruction="question", response="answer"))

    @cached_property
    def shared_leaves(self) -> list[str]:
        """Leaves that have both accepted records and seed examples."""
        return sorted(set(self.accepted["leaf"]) & set(self.examples["leaf"]))

    @cached_property
    def instruction_lengths(self) -> Comparison:
        return compare_lengths(self._by_leaf("instruction_words"), "instruction")

    @cached_property
    def response_lengths(self) -> Comparison:
        return compare_lengths(self._by_leaf("response_words"), "response")

    @cached_property
    def vocabularies(self) -> Comparison:
        return compare_vocabulary(self._by_leaf("shapes"))

    @cached_property
    def balanced(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of `real` and `synthetic`, balanced."""
        return balance(self.real, self.synthetic)

    @cached_property
    def embedded(self) -> tuple[Vectors, Vectors]:
        """Vectors of length 1 of the balanced real and synthetic texts, instruction and response together; see `embed_texts`."""
        texts = [side.select(pl.col("instruction") + "\n" + pl.col("response")).to_series().to_list() for side in self.balanced]
        return embed_texts(texts[0], texts[1], self.embedder)

    @cached_property
    def columns(self) -> Columns:
        """What the balanced records and seed examples have as columns: language, kind, declared groups, and lengths in words."""
        kinds: dict[str, Kind] = {"language": "category", "kind": "category", **{f"{GROUP}{name}": "category" for name in self.group_names}}
        attributes = list(kinds)
        kinds |= {"instruction_words": "number", "response_words": "number"}
        real, synthetic = (
            texts.join(source.select("record_id", *attributes), on="record_id").select(
                *attributes, pl.col("instruction_words", "response_words").list.len().cast(pl.Float64)
            )
            for texts, source in zip(self.balanced, (self.examples, self.accepted), strict=True)
        )
        return Columns(real, synthetic, real.clear(), kinds)

    def _by_leaf(self, column: str) -> dict[str, tuple[list[list[str]], list[list[str]]]]:
        return {leaf: (_values(self.synthetic, leaf, column), _values(self.real, leaf, column)) for leaf in self.shared_leaves}


def balance(first: pl.DataFrame, second: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of both frames, of each leaf as many on both sides: a line asks every leaf for as much, and people do not.

    The first of a leaf by record id (a hash, as good as random); leaves that only one side has are left out, and of many rows as many of
    a leaf as make about MOST_COMPARED.
    """
    sizes = pl.concat([side.group_by("leaf").len() for side in (first, second)])
    shared = sizes.group_by("leaf").agg(pl.len().alias("sides"), pl.col("len").min()).filter(pl.col("sides") == 2)
    most = max(1, MOST_COMPARED // max(1, shared.height))
    kept = pl.int_range(pl.len()).over("leaf") < pl.col("len").clip(upper_bound=most)
    one, other = (side.join(shared, on="leaf").sort("record_id").filter(kept) for side in (first, second))
    return one, other


def _with_words(texts: pl.DataFrame) -> pl.DataFrame:
    return (
        texts.with_columns(words("instruction").alias("instruction_words"), words("response").alias("response_words"))
        .with_columns(pl.concat_list("instruction_words", "response_words").alias("words"))
        .with_columns(shape_numbers("words").alias("shapes"))
    )


def _spread_groups(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The frame with a column `group:<name>` for each name, holding the declared value or NO_GROUP."""
    chosen = {name: pl.col("groups").list.filter(pl.element().struct.field("name") == name).list.first() for name in names}
    return frame.with_columns(value.struct.field("value").fill_null(NO_GROUP).alias(f"{GROUP}{name}") for name, value in chosen.items())


def _values(texts: pl.DataFrame, leaf: str, column: str) -> list[list[str]]:
    return texts.filter(pl.col("leaf") == leaf)[column].to_list()
