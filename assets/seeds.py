"""Seeds: the human-made examples, topics and documents of each leaf, and the leaves themselves."""

from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.layout import Outcome, Remake, asset_key, leaves_name, line_asset
from assets.leaves import make_leaves
from assets.pages import show_floats, show_table
from factory.faults import FactoryError
from factory.generation.chat import Message
from factory.generation.models import Teacher
from factory.generation.plan import list_teachers
from factory.line import Line
from factory.records import DOCUMENT, SEED, take_examples
from factory.seeds.canaries import draw_canaries
from factory.seeds.documents import collect_documents
from factory.seeds.examples import collect_examples
from factory.seeds.layout import Known
from factory.seeds.leaf import Leaf
from factory.seeds.survey import Survey, survey_seeds
from resources.home import find_home
from resources.keeper import Keeper, Made, take_fingerprint
from resources.models import Models

VALID = "seeds_valid"


def read_seeds(line: Line, *, fetch: bool = True) -> Survey:
    """The line's seeds as they are now, the names of verifiers and problem writers checked too; `fetch` allows fetching documents."""
    from factory.problems import WRITERS
    from factory.reward.verifiers import SETTINGS, warn_of_references

    survey = survey_seeds(line.seeds, find_home().documents, Known(SETTINGS, WRITERS), fetch=fetch)
    verifiers = {path: leaf.verifier for path, leaf in survey.leaves.items()}
    undecided = warn_of_references(verifiers, lambda leaf: line.reward.policy(leaf).verifier == "decides")
    return replace(survey, notices=(*survey.notices, *undecided))


def collect_leaf(line: Line, leaf: Leaf) -> pl.DataFrame:
    """The examples, topics and canaries of a leaf (SEED columns)."""
    return collect_examples(leaf, line.seeds.holdout, draw_canaries(leaf, line.seeds.canaries, line.seed))


def sync_leaves(instance: dg.DagsterInstance, line: Line) -> Survey:
    """Brings the line's partitions in step with its seeds: new and mended leaves come in, broken, refused and removed ones go.

    Frames of a leaf that goes stay stored, so that one that comes back unchanged costs nothing.
    """
    survey = read_seeds(line)
    name = leaves_name(line)
    known = instance.get_dynamic_partitions(name)
    instance.add_dynamic_partitions(name, [leaf for leaf in survey.leaves if leaf not in known])
    for leaf in set(known) - set(survey.leaves):
        instance.delete_dynamic_partition(name, leaf)
    return survey


def build_seeds(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `seed_examples` and `seed_documents`."""
    examples_key, documents_key = asset_key(line, "seed_examples"), asset_key(line, "seed_documents")
    valid = dg.AssetCheckSpec(VALID, asset=examples_key, description="Every leaf's seeds are sound; a leaf with a fault is left out.")

    @line_asset(
        line,
        "seed_examples",
        "seeds",
        SEED,
        "Human-made examples of each leaf, split for good into `seed` (shown to the teacher) and `holdout` (evaluation only); its topics.",
        by_leaf=True,
        check_specs=[*specify_checks(examples_key), valid],
    )
    def seed_examples(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper) -> Outcome:
        survey = read_seeds(line)
        frame = make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(
                ["seeds"],
                [
                    _find_leaf(survey, leaf).digest,
                    line.seeds.holdout,
                    [repr(canary) for canary in draw_canaries(_find_leaf(survey, leaf), line.seeds.canaries, line.seed)],
                ],
            ),
            lambda leaf: Made(collect_leaf(line, _find_leaf(survey, leaf))),
            _show_examples,
            refresh=config.refresh,
        )
        return Outcome(check_results=[*check_frame(examples_key, frame), _check_seeds(examples_key, survey)])

    @line_asset(
        line,
        "seed_documents",
        "seeds",
        DOCUMENT,
        "Documents of the leaves in chunks that never cross a heading and fit the teacher; no rows for a leaf without documents.",
        by_leaf=True,
        check_specs=specify_checks(documents_key),
    )
    def seed_documents(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, models: Models) -> Outcome:
        survey = read_seeds(line)
        teacher, most = models.teacher(list_teachers(line.generation)[0]), line.seeds.chunk_tokens
        counted_by = (teacher.identity, teacher.describe_counting())
        frame = make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(["seeds"], [leaf, _list_documents(_find_leaf(survey, leaf)), most, *counted_by]),
            lambda leaf: Made(collect_documents(_find_leaf(survey, leaf), most, partial(count_text, teacher))),
            lambda frame: {"sample": show_table(frame, ["document", "heading", "text"])},
            refresh=config.refresh,
        )
        return Outcome(check_results=check_frame(documents_key, frame))

    return [seed_examples, seed_documents]


def count_text(teacher: Teacher, text: str) -> int:
    """Tokens of a text inside a prompt to the teacher."""
    return teacher.count_tokens((Message("user", text),)) - teacher.count_tokens((Message("user", ""),))


def _list_documents(leaf: Leaf) -> list[list[str]]:
    """What the chunks of a leaf are made from."""
    return [[document.name, document.mark, document.licence, document.language] for document in leaf.documents]


def _find_leaf(survey: Survey, path: str) -> Leaf:
    if path in survey.leaves:
        return survey.leaves[path]
    raise FactoryError(f"leaf {path} is not made: {'; '.join(survey.left_out.get(path, ())) or 'no source of seeds has it any more'}")


def _check_seeds(key: dg.AssetKey, survey: Survey) -> dg.AssetCheckResult:
    """A refusal by licence is what the line asked for, and so no failure; it is listed."""
    lists = {"faults_list": [*map(str, survey.faults)], "refused_list": survey.refusals, "notices": survey.notices}
    told = {name: dg.MetadataValue.md("\n".join(f"- {said}" for said in list_)) for name, list_ in lists.items() if list_}
    counts: dict[str, Any] = {"leaves": len(survey.leaves), "faults": len(survey.faults), "refused": len(survey.refusals)}
    return dg.AssetCheckResult(
        passed=not survey.faults,
        check_name=VALID,
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(survey.reasons) or "every leaf is sound",
        metadata=counts | told,
    )


def _show_examples(frame: pl.DataFrame) -> dict[str, Any]:
    examples = take_examples(frame)
    held_out = examples.filter(split="holdout").height
    sample = show_table(frame, ["split", "question", "answer", "source"])
    topics = frame["answer"].null_count()
    counts = {
        "seeds": examples.height - held_out,
        "holdout": held_out,
        "topics": topics,
        "canaries": frame.height - examples.height - topics,
    }
    return {"sample": sample, **show_floats(counts)}
