"""Seeds: the human-made examples and documents of each leaf, and the leaves themselves."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.layout import Outcome, Remake, asset_key, leaves_name, line_asset
from assets.leaves import make_leaves
from assets.pages import show_floats, show_table
from factory.faults import FactoryError
from factory.line import Line
from factory.records import DOCUMENT, SEED
from factory.seeds.documents import collect_documents
from factory.seeds.examples import collect_examples
from factory.seeds.taxonomy import Leaf, Taxonomy, read_taxonomy
from resources.keeper import Keeper, take_fingerprint

VALID = "taxonomy_valid"


@dataclass(frozen=True)
class Survey:
    """The state of a line's taxonomy: the leaves that can be made, every fault, and what is worth knowing."""

    leaves: tuple[str, ...]
    faults: tuple[str, ...]
    notices: tuple[str, ...]


def read_seeds(line: Line) -> Taxonomy:
    """The line's taxonomy as it is now, the names of verifiers and problem writers checked too."""
    from factory.problems import WRITERS
    from factory.reward.verifiers import VERIFIERS

    return read_taxonomy(line.seeds.taxonomy, verifiers=VERIFIERS, problems=WRITERS)


def survey_taxonomy(line: Line, taxonomy: Taxonomy) -> Survey:
    """Which leaves can be made. One with a fault, or with nothing to show to a teacher, is left out and named."""
    leaves, faults = [], [str(fault) for fault in taxonomy.faults]
    for path, leaf in taxonomy.leaves.items():
        try:
            collect_examples(leaf, line.seeds.holdout)
        except FactoryError as error:
            faults.append(str(error))
        else:
            leaves.append(path)
    return Survey(tuple(leaves), tuple(faults), taxonomy.notices)


def sync_leaves(instance: dg.DagsterInstance, line: Line) -> Survey:
    """Brings the line's partitions in step with its taxonomy: new and mended leaves come in, broken and removed ones go.

    Frames of a leaf that goes stay stored, so that one that comes back unchanged costs nothing.
    """
    survey = survey_taxonomy(line, read_seeds(line))
    name = leaves_name(line)
    known = instance.get_dynamic_partitions(name)
    instance.add_dynamic_partitions(name, [leaf for leaf in survey.leaves if leaf not in known])
    for leaf in set(known) - set(survey.leaves):
        instance.delete_dynamic_partition(name, leaf)
    return survey


def build_seeds(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `seed_examples` and `seed_documents`."""
    examples_key = asset_key(line, "seed_examples")
    valid = dg.AssetCheckSpec(VALID, asset=examples_key, description="Every leaf of the taxonomy is sound; a broken one is left out.")

    @line_asset(
        line,
        "seed_examples",
        "seeds",
        SEED,
        "Human-made examples of each leaf, split for good into `seed` (shown to the teacher) and `holdout` (evaluation only).",
        by_leaf=True,
        check_specs=[*specify_checks(examples_key), valid],
    )
    def seed_examples(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper) -> Outcome:
        taxonomy = read_seeds(line)
        frame = make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(["seeds"], [_find_leaf(taxonomy, leaf).digest, line.seeds.holdout]),
            lambda leaf: collect_examples(_find_leaf(taxonomy, leaf), line.seeds.holdout),
            _show_examples,
            refresh=config.refresh,
        )
        return Outcome(check_results=[*check_frame(examples_key, frame), _check_taxonomy(examples_key, survey_taxonomy(line, taxonomy))])

    @line_asset(
        line,
        "seed_documents",
        "seeds",
        DOCUMENT,
        "Documents of the knowledge leaves in chunks that never cross a heading; no rows for a leaf without documents.",
        by_leaf=True,
    )
    def seed_documents(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper) -> Outcome:
        taxonomy = read_seeds(line)
        make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(["seeds"], [_find_leaf(taxonomy, leaf).digest, line.seeds.chunk_words]),
            lambda leaf: collect_documents(_find_leaf(taxonomy, leaf), line.seeds.chunk_words),
            lambda frame: {"sample": show_table(frame, ["document", "heading", "text"])},
            refresh=config.refresh,
        )
        return Outcome()

    return [seed_examples, seed_documents]


def _find_leaf(taxonomy: Taxonomy, path: str) -> Leaf:
    if path in taxonomy.leaves:
        return taxonomy.leaves[path]
    folder = str(taxonomy.root / path)
    faults = [str(fault) for fault in taxonomy.faults if fault.file.startswith(folder)]
    raise FactoryError(f"leaf {path} is not made: {'; '.join(faults) or f'{folder} is no longer a leaf'}")


def _check_taxonomy(key: dg.AssetKey, survey: Survey) -> dg.AssetCheckResult:
    told = "\n".join(f"- {fault}" for fault in survey.faults)
    return dg.AssetCheckResult(
        passed=not survey.faults,
        check_name=VALID,
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(survey.faults) or "every leaf is sound",
        metadata={"leaves": len(survey.leaves), "faults": len(survey.faults), **({"list": dg.MetadataValue.md(told)} if told else {})},
    )


def _show_examples(frame: pl.DataFrame) -> dict[str, Any]:
    held_out = frame.filter(pl.col("split") == "holdout").height
    sample = show_table(frame, ["split", "question", "answer", "source"])
    return {"sample": sample, **show_floats({"seeds": frame.height - held_out, "holdout": held_out})}
