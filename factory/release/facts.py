"""What a data card says: the facts of a release, gathered once for its HTML and its Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.generation.cost import count_cost
from factory.release.contents import Contents, Judged
from factory.release.gate_rows import count_passed, list_gates, name_confidence, name_exceptions
from factory.release.manifest import count_by, count_tokens
from factory.reward.agreement import Figure

SAMPLES_PER_LEAF = 3
SAMPLE_LEAVES = 60
REFUSED_PER_REASON = 3
SMALL_LEAF = 20  # records; below it a leaf is named among the known limits

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One stage of the way from candidates to records: how many came through, as a share of the first."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class Group:
    """Example records under one heading: a leaf or a reason. `count` is how many there are in all."""

    name: str
    note: str
    count: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Cost:
    """What all candidates cost, refused ones too. Rows: `requests`, `prompt_tokens`, `completion_tokens` and `cost`.

    `leaves`, and last all leaves together, also have `accepted`, and, for each accepted record, `tokens_each` and `cost_each`, null where
    none was. `money` says whether anything has a price.
    """

    steps: tuple[Row, ...]
    leaves: tuple[Row, ...]
    money: bool


@dataclass(frozen=True)
class Agreement:
    """How far a judge or reward model agrees with labels, on one set of examples; without `examples` it was not calibrated."""

    model: str
    rubric: str
    examples: str | None = None
    size: int = 0
    accuracy: Figure | None = None
    kappa: Figure | None = None
    calibration_error: Figure | None = None
    unparsed: Figure | None = None


@dataclass(frozen=True)
class Facts:
    """The facts of a release, in the order of the card. Rows are mappings of column to value."""

    line: str
    description: str
    version: str
    records: int
    tokens: int
    languages: dict[str, int]
    licences: dict[str, int]
    kinds: dict[str, int]
    depths: dict[str, int]
    seeds: int
    holdout: int
    gates: tuple[Row, ...]
    measures: tuple[Row, ...]
    confidence: str
    making: tuple[tuple[str, str], ...]
    judged: tuple[Agreement, ...]
    cost: Cost
    steps: tuple[Step, ...]
    leaves: tuple[Row, ...]
    reasons: tuple[Step, ...]
    samples: tuple[Group, ...]
    refused: tuple[Group, ...]
    limits: tuple[str, ...]
    example_id: str

    @property
    def passed(self) -> int:
        """Gates that hold."""
        return count_passed(self.gates)

    @property
    def exceptions(self) -> str:
        """How many gates failed and let the release through, and how: '1 waived, 2 warned of'; empty where all hold."""
        return name_exceptions(self.gates)

    @property
    def released_leaves(self) -> int:
        """Leaves with at least one record in the release."""
        return sum(row["released"] > 0 for row in self.leaves)


def gather_facts(contents: Contents) -> Facts:
    """The facts of `contents`. Examples are chosen by record id, which is a hash: as good as random, and always the same."""
    accepted, seeds = contents.accepted, contents.seeds
    gates, measures = list_gates(contents.gates)
    leaves = _count_leaves(contents)
    held_out = seeds.filter(pl.col("split") == "holdout").height
    return Facts(
        line=contents.line.name,
        description=contents.line.description,
        version=contents.version,
        records=accepted.height,
        tokens=count_tokens(accepted),
        languages=count_by(accepted, "language"),
        licences=count_by(accepted, "licence"),
        kinds=count_by(accepted, "kind"),
        depths=count_by(accepted, "depth"),
        seeds=seeds.height - held_out,
        holdout=held_out,
        gates=gates,
        measures=measures,
        confidence=name_confidence(contents.gates),
        making=_explain_making(contents),
        judged=tuple(agreement for judged in contents.judged for agreement in _list_agreements(judged)),
        cost=_count_cost(contents),
        steps=_count_steps(contents.funnel),
        leaves=leaves,
        reasons=_count_reasons(contents.refused),
        samples=_choose_samples(accepted),
        refused=_choose_refused(contents.refused),
        limits=tuple(_name_limits(contents, leaves, gates)),
        example_id=accepted["record_id"].min(),  # type: ignore[arg-type]
    )


def _count_leaves(contents: Contents) -> tuple[Row, ...]:
    """The funnel of each leaf, with its language, whether a verifier decides it, and the records released."""
    about = pl.concat([contents.accepted, contents.refused], how="diagonal_relaxed").sort("record_id")
    about = about.group_by("leaf").agg(pl.col("language", "verifier").first())
    released = contents.accepted.group_by("leaf").len("released")
    table = contents.funnel.join(about, on="leaf", how="left").join(released, on="leaf", how="left").sort("leaf")
    share = pl.col("accepted") / pl.col("asked").clip(1)
    return tuple(table.with_columns(pl.col("released").fill_null(0), share=share).iter_rows(named=True))


def _count_cost(contents: Contents) -> Cost:
    written = pl.concat([contents.accepted, contents.refused], how="diagonal_relaxed")
    leaves = count_cost(written, ("leaf",)).join(contents.accepted.group_by("leaf").len("accepted"), on="leaf", how="left")
    leaves = leaves.with_columns(pl.col("accepted").fill_null(0).cast(pl.Int64)).sort("leaf")
    total = leaves.drop("leaf").sum().select(pl.lit("all leaves").alias("leaf"), pl.all())
    steps = tuple(count_cost(written, ("step", "model")).iter_rows(named=True))
    return Cost(steps, tuple(_share_out(pl.concat([leaves, total])).iter_rows(named=True)), bool(total["cost"].sum()))


def _share_out(costs: pl.DataFrame) -> pl.DataFrame:
    """Costs with what each accepted record cost."""
    each = pl.when(pl.col("accepted") > 0).then(pl.col("accepted"))
    return costs.with_columns(tokens_each=(pl.col("prompt_tokens") + pl.col("completion_tokens")) / each, cost_each=pl.col("cost") / each)


def _count_steps(funnel: pl.DataFrame) -> tuple[Step, ...]:
    columns = {
        "asked": "asked",
        "parsed": "parsed",
        "judged": "kept by its flow",
        "verified": "judged good",
        "unique": "unique",
        "accepted": "accepted",
    }
    totals = {name: int(funnel[column].sum()) for column, name in columns.items()}
    return tuple(Step(name, count, count / max(totals["asked"], 1)) for name, count in totals.items())


def _count_reasons(refused: pl.DataFrame) -> tuple[Step, ...]:
    counts = sorted(count_by(refused, "reason").items(), key=lambda item: (-item[1], item[0]))
    return tuple(Step(name, count, count / refused.height) for name, count in counts)


def _explain_making(contents: Contents) -> tuple[tuple[str, str], ...]:
    accepted, settings = contents.accepted, contents.settings
    held_out = contents.seeds.filter(pl.col("split") == "holdout").height
    examples = f"{contents.seeds.height:,} human-made examples of {contents.seeds['leaf'].n_unique():,} leaves"
    verified = accepted.filter(pl.col("verified").fill_null(False)).height
    generation = settings["generation"]
    steps = [f"{step} at temperature {generation[step]['temperature']:g}, top-p {generation[step]['top_p']:g}" for step in _STEPS]
    topics = f"; {contents.topics:,} topics given by hand" if contents.topics else ""
    return (
        (
            "Seeds",
            f"{examples}, {held_out:,} of them held out from the teacher{topics}",
        ),
        ("Teacher", f"{contents.teacher}, shown {generation['examples_per_prompt']} seed examples of the same leaf for each record"),
        ("Flows", f"{_join(accepted['flow'])}; {'; '.join(steps)}"),
        ("Verifiers", f"{verified:,} of {accepted.height:,} records were decided right by code, from instruction and response alone"),
        (
            "Reward model",
            _explain_reward(contents),
        ),
        ("Duplicates", f"exact ones, and near ones from a word-shingle similarity of {settings['reward']['near_duplicate']:g}"),
        ("Seed number", f"{settings['seed']}; the same line and number give the same records and the same checksums"),
    )


def _list_agreements(judged: Judged) -> Iterable[Agreement]:
    how = judged.rubric or judged.role
    for each in judged.calibrations:
        examples = f"{each.examples} ({'responses' if each.kind == 'singles' else 'pairs'})"
        figures = (each.accuracy, each.kappa, each.calibration_error, each.unparsed)
        yield Agreement(judged.model, how, examples, each.size, *figures)
    if not judged.calibrations:
        yield Agreement(judged.model, how)


def _explain_reward(contents: Contents) -> str:
    """Which model scored what, and what was asked of its scores."""
    if contents.reward_model is None:
        return "none was asked"
    policy = contents.settings["reward"]
    read = "every candidate that parsed" if policy["scope"] == "all" else "what no verifier decides"
    bounds = [] if policy["min_goodness"] is None else [f"goodness of at least {policy['min_goodness']:g}"]
    bounds += [f"{name} of {side.replace('_', ' ')} {value:g}" for side in ("at_least", "at_most") for name, value in policy[side].items()]
    bounds += [f"the best {policy['top_share']:.0%} of each leaf"] if policy["top_share"] < 1 else []
    asked = "; ".join(bounds) or "a score of at least 0"
    return f"{contents.reward_model}, on {read}: {asked}" + (
        f"; other bounds for {', '.join(policy['leaves'])}" if policy["leaves"] else ""
    )


_STEPS = ("instruction", "response")


def _choose_samples(accepted: pl.DataFrame) -> tuple[Group, ...]:
    groups = []
    for (leaf, language), rows in accepted.sort("record_id").group_by("leaf", "language", maintain_order=True):
        groups.append(Group(str(leaf), str(language), rows.height, tuple(rows.head(SAMPLES_PER_LEAF).iter_rows(named=True))))
    return tuple(sorted(groups, key=lambda group: (group.name, group.note))[:SAMPLE_LEAVES])


def _choose_refused(refused: pl.DataFrame) -> tuple[Group, ...]:
    groups = []
    for (reason,), rows in refused.sort("record_id").group_by("reason", maintain_order=True):
        shown = rows.select("leaf", "record_id").head(REFUSED_PER_REASON).iter_rows(named=True)
        leaves = rows["leaf"].n_unique()
        note = f"in {leaves:,} {'leaf' if leaves == 1 else 'leaves'}"
        groups.append(Group(str(reason or "unknown"), note, rows.height, tuple(shown)))
    return tuple(sorted(groups, key=lambda group: (-group.count, group.name)))


def _name_limits(contents: Contents, leaves: tuple[Row, ...], gates: tuple[Row, ...]) -> Iterable[str]:
    accepted = contents.accepted
    yield (
        f"Every record is synthetic: {contents.teacher} wrote it. Filters, not people, decided what stayed. "
        "Evaluate on held-out real examples, never on a part of this release."
    )
    unverified = sorted({row["leaf"] for row in leaves if row["released"] and row["verifier"] is None})
    if unverified:
        yield (
            f"No verifier decides {_enumerate(unverified)}: there the reward model's score stands for good, and its mistakes are "
            "in the data."
        )
    if [row for row in leaves if row["verifier"] is not None]:
        yield "A verifier checks the result, not the style, tone or difficulty of a record."
    if small := sorted(row["leaf"] for row in leaves if 0 < row["released"] < SMALL_LEAF):
        yield f"Fewer than {SMALL_LEAF} records: {_enumerate(small)}. Figures for these leaves are weak."
    if none := sorted(row["leaf"] for row in leaves if not row["released"]):
        yield f"No record at all: {_enumerate(none)}. The funnel says which filter refused them."
    deep = accepted.filter(pl.col("depth") > 1).height
    if deep:
        yield f"{deep:,} records are more than one generation away from real data; train on them beside real examples."
    if unknown := accepted["licence"].null_count():
        yield f"The licence of {unknown:,} records is not known."
    for row in gates:
        gate = f"{row['report']}.{row['metric']} of {'the line' if row['subject'] == 'line' else row['subject']}"
        if row["outcome"] == "waived":
            yield f"The gate {gate} failed and was waived by {row['waived_by']} until {row['waived_until']}: {row['waiver_reason']}"
        elif row["outcome"] == "warn":
            yield f"The gate {gate} failed; the line lets it warn, and not block."


def _join(values: pl.Series) -> str:
    return ", ".join(values.drop_nulls().unique().sort())


def _enumerate(leaves: list[str], most: int = 6) -> str:
    shown = [leaf.rsplit("/", 1)[-1] for leaf in leaves[:most]]
    rest = len(leaves) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
