"""One whole run over leaves in three scripts: every string comes out of every frame, file and page as it went in."""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml
from plant import Plant, Said, at_home, copy_plant

from assets.layout import asset_key
from factory.validation.gates import list_default_gates
from resources.home import open_instance

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer, reply

SCRIPTS = {
    # Decomposed accents, a sign outside of the basic plane, a ligature: what a normalisation anywhere would change.
    "Latin": ("fr", "re\u0301ponses/ordre", "Où est le cœur d'Aimée\u0301 ? 𝛼 ﬁn", "Il est là, « naïf » & <doux>."),
    # Vowel signs, a joiner without width, Arabic digits and punctuation.
    "Arabic": ("ar", "نصوص/ترتيب", "مَا اسمُ الكتابِ؟ ١٢٣", "اسمه «ألف ليلة»، می\u200cخواهم."),
    # Full width, an ideographic space, a character of extension B.
    "CJK": ("zh", "文字/排序", "这本书叫什么？\u3000ＡＢＣ", "它叫《红楼梦》，𠮷野家。"),
}
BY, WHY = "ليلى 李", "نص قصير جدا，太短了"


def spell(script: str, part: str, number: int) -> str:
    """A sentence of a script, another one for each part and number."""
    return f"{SCRIPTS[script][2 if part == 'question' else 3]} {part[0]}{number}"


def write_leaves(plant: Plant, script: str) -> tuple[str, str]:
    """A skill and a knowledge leaf of a script, the latter with a document."""
    language, name, _, answer = SCRIPTS[script]
    about = {"version": 3, "created_by": "t", "factory": {"language": language}}
    pairs = [{"question": spell(script, "question", n), "answer": spell(script, "answer", n)} for n in range(20)]
    groups = [{"context": spell(script, "context", n), "questions_and_answers": pairs[3 * n : 3 * n + 3]} for n in range(6)]
    document = about | {"domain": answer, "document_outline": answer, "seed_examples": groups}
    document["factory"] = {"language": language, "documents": ["*.md"]}
    leaves = {f"compositional_skills/{name}": about | {"task_description": answer, "seed_examples": pairs}, f"knowledge/{name}": document}
    for leaf, content in leaves.items():
        folder = plant.root / "taxonomy" / leaf
        folder.mkdir(parents=True)
        (folder / "qna.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        (folder / "attribution.txt").write_text("License of the work: CC BY 4.0\n", encoding="utf-8")
    (folder / "text.md").write_text(f"# {SCRIPTS[script][2]}\n\n{spell(script, 'document', 0)}\n", encoding="utf-8")
    skill, knowledge = leaves
    return skill, knowledge


def answer_in_script(body: dict[str, Any]) -> str:
    """A sentence of the script that the prompt is written in, another one for each request."""
    asked = body["messages"][-1]["content"]
    script = next(name for name, (_, _, question, answer) in SCRIPTS.items() if question in asked or answer in asked)
    return f"{SCRIPTS[script][2]} {reply(body)[6:]}"


class Printed:
    """A plant after one whole run over the leaves of every script."""

    def __init__(self, plant: Plant, said: set[str], leaves: list[str]) -> None:
        self.plant = plant
        self.said = said
        self.leaves = leaves

    @property
    def release(self) -> Path:
        return Path(self.plant.frame("dataset_release")["folder"][0])


@pytest.fixture(scope="module")
def printed(empty_plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    with (
        at_home(copy_plant(empty_plant, tmp_path_factory.mktemp("scripts"))) as plant,
        MisbehavingServer(answer=answer_in_script) as server,
    ):
        (plant.root / "taxonomy").rename(plant.root / "unused")
        leaves = sorted(leaf for script in SCRIPTS for leaf in write_leaves(plant, script))
        plant.write_line(
            generation={"teacher": {"model": "granite", "server": {"base_url": server.base_url}}, "candidates_per_leaf": 6},
            reward={"min_goodness": -100, "min_support": 0, "near_duplicate": 1},
            validation={"waivers": [{"gate": gate, "by": BY, "reason": WHY, "until": "2100-01-01"} for gate in list_default_gates()]},
        )
        plant.run()
        yield Printed(plant, {answer_in_script(asked.body) for asked in server.asked}, leaves)


def test_seeds_and_documents_are_read_as_they_are_written(printed: Printed) -> None:
    seeds, documents = printed.plant.frame("seed_examples"), printed.plant.frame("seed_documents")
    assert sorted(seeds["leaf"].unique()) == printed.leaves
    for script, (language, name, heading, _) in SCRIPTS.items():
        own = seeds.filter(pl.col("leaf").str.ends_with(name))
        numbers = {"question": 20, "answer": 20, "context": 6}
        for column, count in numbers.items():
            assert set(own[column].drop_nulls()) == {spell(script, column, n) for n in range(count)}
        assert own["language"].unique().to_list() == [language]
        chunk = documents.filter(pl.col("leaf") == f"knowledge/{name}")
        assert chunk["heading"].to_list() == [heading]
        assert spell(script, "document", 0) in chunk["text"][0]


def test_candidates_hold_what_the_server_said(printed: Printed) -> None:
    candidates = printed.plant.frame("candidates")
    assert candidates["parse_fault"].null_count() == candidates.height == 36
    assert {*candidates["instruction"], *candidates["response"]} == printed.said


def test_a_release_holds_them_in_every_file(printed: Printed) -> None:
    accepted = printed.plant.frame("accepted")
    assert accepted["leaf"].n_unique() == 6
    texts = {row["record_id"]: [row["instruction"], row["response"]] for row in accepted.iter_rows(named=True)}
    stored = pl.read_parquet(printed.release / "data.parquet")
    assert {row["record_id"]: [row["instruction"], row["response"]] for row in stored.iter_rows(named=True)} == texts
    lines = [json.loads(line) for line in (printed.release / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["record_id"]: line["messages"][0]["content"].split("\n\n")[-1] for line in lines} == {i: q for i, (q, _) in texts.items()}
    assert {line["record_id"]: line["messages"][-1]["content"] for line in lines} == {i: a for i, (_, a) in texts.items()}
    raw = (printed.release / "data.jsonl").read_bytes()
    assert all(response.encode() in raw for _, response in texts.values()), "not as \\u escapes, which a person cannot read"


def test_the_card_shows_them(printed: Printed) -> None:
    page = html.unescape((printed.release / "card.html").read_text(encoding="utf-8"))
    read_me = (printed.release / "README.md").read_text(encoding="utf-8")
    samples = pl.read_parquet(printed.release / "data.parquet").sort("leaf", "record_id").group_by("leaf", maintain_order=True).first()
    assert samples.height == 6
    for row in samples.iter_rows(named=True):
        for text in (row["instruction"], row["response"]):
            assert f'dir="auto">{text}</dd>' in page or f'dir="auto" class="answer">{text}</dd>' in page
            assert text in read_me
        assert row["leaf"] in read_me.replace("\\", "") and row["leaf"].rpartition("/")[2] in page
    assert f"by {BY} until 2100-01-01: {WHY}" in page and f"waived by {BY} until 2100-01-01: {WHY}" in read_me
    assert "\N{REPLACEMENT CHARACTER}" not in page + read_me


def test_a_trace_tells_them(printed: Printed, cli: Callable[..., Said]) -> None:
    seeds = {row["record_id"]: row for row in printed.plant.frame("seed_examples").iter_rows(named=True)}
    for leaf in printed.leaves:
        record = printed.plant.frame("accepted").filter(pl.col("leaf") == leaf).row(0, named=True)
        said = cli("trace", record["record_id"])
        assert said.code == 0
        told = "".join(said.out.translate(dict.fromkeys(map(ord, "│├└─┃"))).split())
        first = seeds[record["seed_ids"][0]]
        for text in (leaf, record["instruction"], record["response"], first["question"], first["answer"]):
            assert "".join(text.split()) in told


def test_the_pages_in_dagster_and_mlflow_show_them(printed: Printed) -> None:
    import mlflow

    with open_instance(printed.plant.home) as instance:
        for name, columns in {"seed_examples": ["question", "answer"], "candidates": ["instruction", "response"]}.items():
            frame = printed.plant.frame(name)
            for leaf in printed.leaves:
                records = instance.fetch_materializations(
                    dg.AssetRecordsFilter(asset_key=asset_key(printed.plant.line, name), asset_partitions=[leaf]), limit=1
                ).records
                (event,) = (record.event_log_entry.asset_materialization for record in records)
                assert event is not None
                table = str(event.metadata["sample"].value).replace("&lt;", "<")
                row = frame.filter(pl.col("leaf") == leaf).row(0, named=True)
                assert all(row[column] in table for column in columns)
    client = mlflow.MlflowClient(f"sqlite:///{printed.plant.home.mlflow / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    names = {name for run in client.search_runs([experiment.experiment_id]) for name in run.data.metrics}
    assert (
        any("排序" in name for name in names) and any("نصوص" in name for name in names) and any("r\u00e9ponses" in name for name in names)
    )
