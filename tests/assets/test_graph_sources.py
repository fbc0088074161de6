"""A line whose leaves come from tables, topics and repositories: partitions, checks, command line, and a run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from plant import ADDITION, LEAVES, SORT, Plant, Said, at_home, build_plant

from assets.automation import build_automation
from assets.checks import check_frame
from assets.generation import collect_pool
from assets.seeds import count_text, read_seeds
from factory.faults import FactoryError
from factory.records import SEED
from factory.seeds import collect_examples

SUMS = "foundational_skills/arithmetic/sums"
EXAMPLES = {"leaf": SUMS, "file": "sums.csv", "licence": "MIT", "verifier": "arithmetic", "problems": "addition"}


def write_sums(plant: Plant, *more: str) -> None:
    rows = [f'"What is {a} + {a + 7}?","{a} + {a + 7} = {2 * a + 7}"' for a in range(101, 113)]
    (plant.root / "sums.csv").write_text("\n".join(["question,answer", *rows, *more, ""]))


@pytest.fixture
def bare(tmp_path: Path) -> Plant:
    """A line without a taxonomy whose home was never made."""
    with at_home(build_plant(tmp_path)) as plant:
        write_sums(plant)
        plant.write_line(seeds={"examples": [EXAMPLES], "holdout": 0.3})
        yield plant


def test_a_line_of_a_table_alone_runs_up_to_the_verdict(fresh: Plant) -> None:
    write_sums(fresh)
    fresh.write_line(seeds={"examples": [EXAMPLES]})
    ended = fresh.run(SUMS)
    assert list(ended.survey.leaves) == [SUMS]
    seeds, candidates = fresh.frame("seed_examples"), fresh.frame("candidates")
    assert seeds.height == 12 and set(seeds["licence"]) == {"MIT"} and seeds["source"][0] == "sums.csv:2"
    assert candidates["leaf"].unique().to_list() == [SUMS] and set(candidates["licence"]) == {"MIT"}
    assert fresh.frame("accepted").height + fresh.frame("rejected").height == candidates.height


def test_a_flow_that_draws_from_the_whole_line_sees_leaves_that_were_never_run(fresh: Plant) -> None:
    write_sums(fresh)
    seeds = {"examples": [EXAMPLES], "topics": [], "taxonomy": "taxonomy"}
    fresh.write_line(seeds=seeds, generation={"flows": {"*": "self_instruct"}})
    fresh.run(SUMS)
    own = set(fresh.frame("seed_examples")["record_id"])
    shown = set(fresh.frame("candidates")["seed_ids"].explode())
    others = collect_pool(fresh.line).filter(pl.col("leaf") != SUMS, split="seed")
    assert shown & set(others["record_id"]) and shown <= own | set(others["record_id"])


def test_lint_tells_every_seed_of_a_line(bare: Plant, cli: Callable[..., Said]) -> None:
    assert cli("lint", str(bare.file)).out.splitlines()[-1] == "1 leaves, 0 faults"
    write_sums(bare, '"What is 1 + 1?",', '"one cell"')
    said = cli("lint", "tiny")
    assert said.code == 1
    assert f"{bare.root / 'sums.csv'}:14:1: answer: is empty" in said.out and "sums.csv:15:1: 1 cells under 2 columns" in said.out


def test_status_names_faults_and_refusals(bare: Plant, cli: Callable[..., Said]) -> None:
    topics = [{"leaf": "knowledge/sea", "topics": ["whales"], "licence": "CC-BY-NC-4.0"}]
    seeds = {"taxonomy": "taxonomy", "examples": [EXAMPLES], "topics": topics, "licences": {"allow": ["MIT", "CC0-1.0"]}}
    bare.write_line(seeds=seeds)
    write_sums(bare, "a,")
    said = cli("status", "tiny")
    assert said.code == 0
    text = " ".join((said.out + said.err).split())
    assert "1 fault in the seeds" in text and "sums.csv:14:1: answer: is empty" in text
    assert "seeds.topics[0] of leaf knowledge/sea: its licence CC-BY-NC-4.0 is not among seeds.licences.allow (MIT, CC0-1.0)" in text


def test_a_refused_leaf_never_becomes_a_partition(fresh: Plant) -> None:
    fresh.qna(SORT).with_name("attribution.txt").write_text("License of the work: CC BY-NC 4.0\n")
    allowed = sorted({leaf.licence for leaf in read_seeds(fresh.line).leaves.values()} - {"CC-BY-NC-4.0"})
    fresh.write_line(seeds={"taxonomy": "taxonomy", "licences": {"allow": allowed}})
    sensor = build_automation(fresh.line)[0]
    assert isinstance(sensor, dg.SensorDefinition)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        said = sensor(context)
    assert isinstance(said, dg.SensorResult) and said.dynamic_partitions_requests
    assert sorted(said.dynamic_partitions_requests[0].partition_keys) == [leaf for leaf in LEAVES if leaf != SORT]
    with pytest.raises(FactoryError, match=f"Leaf {SORT} is left out: leaf {SORT}: its licence CC-BY-NC-4.0 is not among"):
        fresh.run(SORT)


def test_the_sensor_fetches_nothing_and_takes_what_a_run_has_fetched(bare: Plant) -> None:
    repository = bare.root / "origin"
    repository.mkdir()
    (repository / "a.md").write_text("# Sums\n\nA sum is what two numbers give together.\n")
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    for command in (["init", "--quiet"], ["add", "a.md"], [*who, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True).stdout.strip()
    documents = [{"leaf": SUMS, "source": "origin", "commit": commit, "patterns": ["*.md"], "licence": "MIT"}]
    bare.write_line(seeds={"examples": [EXAMPLES], "documents": documents})
    assert "is not fetched yet" in read_seeds(bare.line, fetch=False).left_out[SUMS][0]
    sensor = build_automation(bare.line)[0]
    assert isinstance(sensor, dg.SensorDefinition)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        instance.add_dynamic_partitions("tiny_leaves", [SUMS])
        assert isinstance(sensor(context), dg.SkipReason)
        instance.add_dynamic_partitions("tiny_leaves", ["knowledge/gone"])
        said = sensor(context)
    assert isinstance(said, dg.SensorResult) and said.dynamic_partitions_requests
    assert [[*request.partition_keys] for request in said.dynamic_partitions_requests] == [["knowledge/gone"]]
    assert not bare.home.documents.exists()
    assert list(read_seeds(bare.line).leaves) == list(read_seeds(bare.line, fetch=False).leaves) == [SUMS]


def test_topics_pass_the_checks_of_seeds_and_an_example_needs_its_answer(bare: Plant) -> None:
    bare.write_line(seeds={"examples": [EXAMPLES], "topics": [{"leaf": SUMS, "topics": ["sums of three numbers"]}]})
    frame = collect_examples(read_seeds(bare.line).leaves[SUMS], 0.3)
    key = dg.AssetKey(["tiny", "seed_examples"])
    assert dict(frame.schema) == SEED and frame.filter(kind="topic").height == 1
    assert [result.check_name for result in check_frame(key, frame) if not result.passed] == []
    blank = frame.with_columns(answer=pl.when(pl.col("question").str.contains("101")).then(None).otherwise(pl.col("answer")))
    failed = [result for result in check_frame(key, blank) if not result.passed]
    assert [result.check_name for result in failed] == ["complete"] and "answer: 1 of " in str(failed[0].description)


def test_chunks_are_counted_as_the_teacher_counts(bare: Plant) -> None:
    from transformers import AutoTokenizer

    from factory.generation.local_teacher import LocalTeacher
    from factory.pico.models import resolve_model

    name = bare.line.generation.teacher.model
    teacher, tokenizer = LocalTeacher(name), AutoTokenizer.from_pretrained(resolve_model(name))
    for text in ("A sum is what two numbers give.", "鲸鱼", json.dumps({"a": ADDITION})):
        assert count_text(teacher, text) == len(tokenizer(text, add_special_tokens=False).input_ids)
