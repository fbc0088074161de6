"""A line's seeds from every source at once: what becomes of each leaf, and why one is left out."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from leaves import ATTRIBUTION, KNOWLEDGE, KNOWLEDGE_EXAMPLES, KNOWLEDGE_HEAD, SKILL, count_quarters, write_leaf
from test_sources import commit_all, git

from factory.seeds import Survey, collect_documents, collect_examples, survey_seeds
from factory.seeds.layout import Known
from factory.seeds_spec import SeedsSpec
from factory.spec import Spec

COLOURS, ANIMALS, SUMS = "compositional_skills/colours", "knowledge/animals", "foundational_skills/sums"


class Tolerance(Spec):
    """Settings of a verifier."""

    tolerance: float = 0.0


KNOWN = Known(verifiers={"arithmetic": Spec, "number": Tolerance}, problems=["addition"])
NON_COMMERCIAL = ATTRIBUTION.replace("CC BY 4.0", "CC BY-NC-SA 4.0")


def survey(folder: Path, *, fetch: bool = True, **seeds: Any) -> Survey:
    """The survey of a line whose taxonomy, where it has one, lies in `folder`/tree."""
    tree = folder / "tree"
    spec = SeedsSpec.model_validate(({"taxonomy": tree} if tree.is_dir() else {}) | {"holdout": 0} | seeds)
    return survey_seeds(spec, folder / "cache", KNOWN, fetch=fetch)


def write_pairs(folder: Path, *rows: dict[str, str], name: str = "pairs.jsonl") -> Path:
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder / name


def pair(question: str, answer: str = "b", **more: str) -> dict[str, str]:
    return {"question": question, "answer": answer} | more


def test_leaves_of_every_source_stand_side_by_side(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL)
    file = write_pairs(tmp_path, pair("1 + 1?", "2"), pair("2 + 2?", "4"))
    found = survey(
        tmp_path,
        examples=[{"leaf": SUMS, "file": file, "licence": "MIT", "verifier": "arithmetic", "groups": {"domain": "sums"}}],
        topics=[{"leaf": "knowledge/sea", "topics": ["paus", "鲸鱼"], "language": "id", "licence": "CC0-1.0"}],
    )
    assert found.faults == () and found.refusals == () and found.left_out == {}
    assert list(found.leaves) == [COLOURS, SUMS, "knowledge/sea"]
    sums, sea = found.leaves[SUMS], found.leaves["knowledge/sea"]
    assert (sums.kind, sums.language, sums.verifier, sums.groups, sums.licence) == (
        *("foundational", "en", "arithmetic"),
        (("domain", "sums"),),
        "MIT",
    )
    assert [example.answer for example in sums.examples] == ["2", "4"]
    assert (sea.language, [topic.text for topic in sea.topics]) == ("id", ["paus", "鲸鱼"])
    assert collect_examples(sea, 0.3)["kind"].to_list() == ["topic", "topic"]


def test_a_line_needs_no_taxonomy(tmp_path: Path) -> None:
    found = survey(tmp_path, topics=[{"leaf": "knowledge/sea", "topics": ["whales"]}])
    assert list(found.leaves) == ["knowledge/sea"] and found.notices == ()


def test_a_table_adds_to_a_leaf_of_the_taxonomy(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL)
    before = survey(tmp_path).leaves[COLOURS]
    found = survey(tmp_path, examples=[{"leaf": COLOURS, "file": write_pairs(tmp_path, pair("What colour is jade?")), "licence": "MIT"}])
    leaf = found.leaves[COLOURS]
    assert leaf.examples[:5] == before.examples and leaf.examples[5].licence == "MIT" and leaf.groups == before.groups
    assert leaf.digest != before.digest
    licences = collect_examples(leaf, 0.0)["licence"].to_list()
    assert licences == ["CC-BY-4.0"] * 5 + ["MIT"]


def test_what_two_sources_say_of_a_leaf_must_agree(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL)
    file = write_pairs(tmp_path, pair("What colour is jade?"))
    entry = {"leaf": COLOURS, "file": file, "language": "id", "verifier": "arithmetic", "groups": {"domain": "sea"}, "problems": "sums"}
    found = survey(tmp_path, examples=[entry])
    assert found.leaves == {}
    agree = f"for leaf {COLOURS}, of which another source says"
    assert list(map(str, found.faults)) == [
        f"seeds.examples[0]: groups: domain=sea {agree} domain=things; a leaf has one",
        f"seeds.examples[0]: language: 'id' {agree} 'en'; a leaf has one",
        f"seeds.examples[0]: problems: 'sums' {agree} nothing; a leaf has one",
        "seeds.examples[0]: problems: no problem writer is called 'sums'; known: addition",
        f"seeds.examples[0]: verifier: 'arithmetic' {agree} nothing; a leaf has one",
    ]


def test_a_table_sets_its_verifier_as_a_leaf_does(tmp_path: Path) -> None:
    entry = {"leaf": SUMS, "file": write_pairs(tmp_path, pair("1 + 1?", "2"))}
    found = survey(tmp_path, examples=[entry | {"verifier": {"name": "number", "tolerance": 0.5}}]).leaves[SUMS]
    assert (found.verifier, found.verifier_settings) == ("number", '{"tolerance":0.5}')
    row = collect_examples(found, 0.0).row(0, named=True)
    assert (row["verifier"], row["verifier_settings"]) == ("number", '{"tolerance":0.5}')
    other = survey(tmp_path, examples=[entry | {"verifier": "number"}]).leaves[SUMS]
    assert other.verifier_settings is None and other.digest != found.digest
    broken = survey(tmp_path, examples=[entry | {"verifier": {"name": "number", "tolerence": 0.5}}])
    assert list(map(str, broken.faults)) == ["seeds.examples[0]: verifier.tolerence: unknown key; did you mean 'tolerance'?"]
    assert list(broken.left_out) == [SUMS]


def test_a_line_tells_its_verifiers_as_they_were_given(tmp_path: Path) -> None:
    entry = {"leaf": SUMS, "file": write_pairs(tmp_path, pair("1 + 1?", "2"))}
    told = SeedsSpec.model_validate(
        {"examples": [entry | {"verifier": "arithmetic"}, entry | {"verifier": {"name": "number", "tolerance": 1}}]}
    ).describe()
    assert [example["verifier"] for example in told["examples"]] == ["arithmetic", {"name": "number", "tolerance": 1}]


def test_a_faulty_row_keeps_its_leaf_out_and_harms_no_other(tmp_path: Path) -> None:
    rows = [pair("a", leaf=SUMS), pair("", leaf=SUMS), pair("c", leaf="knowledge/sea"), pair("a", leaf=SUMS)]
    file = write_pairs(tmp_path, *rows)
    entry = {"file": file, "columns": {"leaf": "leaf"}}
    found = survey(tmp_path, examples=[entry])
    assert list(found.leaves) == ["knowledge/sea"]
    assert found.left_out[SUMS] == (f"{file}:2:1: question: is empty", "pairs.jsonl:4: the same example as pairs.jsonl:1")
    skipped = survey(tmp_path, examples=[entry | {"faulty_rows": "skip"}])
    assert skipped.faults == () and [example.question for example in skipped.leaves[SUMS].examples] == ["a"]
    assert skipped.notices[0].startswith(f"seeds.examples[0] (pairs.jsonl): 1 faulty rows are left out, the first: {file}:2:1: question")


def test_a_row_that_names_no_leaf_keeps_every_leaf_of_its_table_out(tmp_path: Path) -> None:
    file = write_pairs(tmp_path, pair("a", leaf=SUMS), pair("b"))
    assert survey(tmp_path, examples=[{"file": file, "columns": {"leaf": "leaf"}}]).leaves == {}


def test_a_thousand_faulty_rows_are_told_in_few_words(tmp_path: Path) -> None:
    file = write_pairs(tmp_path, pair("a"), *[pair("") for _ in range(1000)])
    found = survey(tmp_path, examples=[{"leaf": SUMS, "file": file}])
    assert len(found.faults) == 21
    assert f"{file}: and 980 more faults of rows" in map(str, found.faults)


def test_a_leaf_is_never_grounded_and_freeform(tmp_path: Path) -> None:
    rows = [pair("a", context="x"), pair("b", context="y"), pair("c")]
    found = survey(tmp_path, examples=[{"leaf": SUMS, "file": write_pairs(tmp_path, *rows), "columns": {"context": "context"}}])
    assert "pairs.jsonl:3: has no context, and 2 of 3 examples of leaf" in found.left_out[SUMS][0]


def test_a_leaf_with_nothing_to_show_is_left_out_unless_it_has_topics(tmp_path: Path) -> None:
    entry = {"leaf": SUMS, "file": write_pairs(tmp_path, pair("a"), pair("c"))}
    found = survey(tmp_path, examples=[entry], holdout=0.9999)
    assert "all 2 fall on the holdout side at seeds.holdout = 0.9999; add examples or topics" in found.left_out[SUMS][0]
    assert list(survey(tmp_path, examples=[entry], topics=[{"leaf": SUMS, "topics": ["sums"]}], holdout=0.9999).leaves) == [SUMS]


def test_topics_are_given_once(tmp_path: Path) -> None:
    found = survey(tmp_path, topics=[{"leaf": SUMS, "topics": ["one", "two", "one"]}])
    assert found.left_out[SUMS] == ("seeds.topics[0]: topics[2]: the topic 'one' is given twice",)


def test_licences_refuse_a_leaf_a_table_topics_and_documents(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL)
    write_leaf(tmp_path / "tree", "compositional_skills/synonyms", SKILL, NON_COMMERCIAL)
    write_leaf(tmp_path / "tree", "compositional_skills/unclear", SKILL, attribution=None)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.md").write_text("a")
    documents = {"leaf": COLOURS, "source": str(tmp_path / "texts"), "patterns": ["*.md"], "licence": "GPL-3.0-only"}
    found = survey(
        tmp_path,
        examples=[{"leaf": SUMS, "file": write_pairs(tmp_path, pair("a"))}],
        topics=[{"leaf": "knowledge/sea", "topics": ["a"], "licence": "CC-BY-NC-4.0"}],
        documents=[documents],
        licences={"allow": ["CC-BY-4.0"]},
    )
    assert list(found.leaves) == [COLOURS] and found.leaves[COLOURS].documents == () and found.faults == ()
    why = "is not among seeds.licences.allow (CC-BY-4.0)"
    assert found.refusals == (
        f"leaf compositional_skills/synonyms: its licence CC-BY-NC-SA-4.0 {why}",
        f"leaf compositional_skills/unclear: its licence unknown {why}",
        f"seeds.examples[0] (pairs.jsonl): its licence unknown {why}",
        f"seeds.topics[0] of leaf knowledge/sea: its licence CC-BY-NC-4.0 {why}",
        f"seeds.documents[0] for leaf {COLOURS}: its licence GPL-3.0-only {why}",
    )
    assert set(found.left_out) == {"compositional_skills/synonyms", "compositional_skills/unclear", SUMS, "knowledge/sea"}


def test_a_broken_leaf_stays_out_whatever_is_added_to_it(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL.replace("answer: white", "anwser: white"))
    write_leaf(tmp_path / "tree", "compositional_skills/sound", SKILL)
    found = survey(tmp_path, topics=[{"leaf": COLOURS, "topics": ["snow"]}])
    assert list(found.leaves) == ["compositional_skills/sound"]
    assert [":11:5: " in reason for reason in found.left_out[COLOURS]] == [False, True]


def test_documents_of_the_line_join_those_of_the_leaf(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", ANIMALS, KNOWLEDGE_HEAD + "factory: {documents: ['*.md']}\n" + KNOWLEDGE_EXAMPLES, a__md="Own.")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/b.html").write_text("<h1>Satwa</h1><p>Paus.</p>")
    entry = {"leaf": ANIMALS, "source": str(tmp_path / "texts"), "patterns": ["*.html"], "licence": "CC0-1.0", "language": "id"}
    found = survey(tmp_path, documents=[entry])
    chunks = collect_documents(found.leaves[ANIMALS], 80, count_quarters)
    told = ("document", "heading", "text", "licence", "language")
    assert chunks.select(told).rows() == [
        (f"{ANIMALS}/a.md", "", "Own.", "CC-BY-4.0", "en"),
        ("texts/b.html", "Satwa", "Paus.", "CC0-1.0", "id"),
    ]


def test_documents_that_are_wrong_keep_their_leaf_out(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL)
    (tmp_path / "texts").mkdir()
    entry = {"source": str(tmp_path / "texts"), "patterns": ["*.md"]}
    found = survey(tmp_path, documents=[{"leaf": COLOURS} | entry, {"leaf": "compositional_skills/colour"} | entry])
    assert found.leaves == {}
    assert [str(fault) for fault in found.faults] == [
        f"seeds.documents[0]: the pattern '*.md' matches no file in {tmp_path / 'texts'}",
        f"seeds.documents[1]: leaf: no source of seeds has a leaf compositional_skills/colour; did you mean '{COLOURS}'?",
    ]


ELSEWHERE = "https://example.org"


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The address of a repository of documents, which git finds in `tmp_path`, and a commit in it."""
    for name, value in (("COUNT", "1"), ("KEY_0", f"url.{tmp_path.as_uri()}/.insteadOf"), ("VALUE_0", f"{ELSEWHERE}/")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "cat.md").write_text("# Cats\n\nThe cat eats fish.\n")
    return f"{ELSEWHERE}/origin", commit_all(folder)


def name_upstream(tmp_path: Path, repo: str, commit: str, leaf: str = ANIMALS) -> None:
    text = KNOWLEDGE.replace("https://example.org/animals.git", repo).replace("951999afdc59c46d325493568193b40bd5439c9e", f"'{commit}'")
    write_leaf(tmp_path / "tree", leaf, text)


def test_upstream_documents_are_fetched(tmp_path: Path, upstream: tuple[str, str]) -> None:
    repository, commit = upstream
    name_upstream(tmp_path, repository, commit)
    waiting = survey(tmp_path, fetch=False)
    assert list(waiting.leaves) == [ANIMALS] and "is not fetched yet" in waiting.notices[0]
    found = survey(tmp_path)
    assert found.notices == ()
    row = collect_documents(found.leaves[ANIMALS], 80, count_quarters).row(0, named=True)
    assert (row["document"], row["heading"], row["text"], row["licence"]) == (
        f"{repository}@{commit[:12]}/cat.md",
        "Cats",
        "The cat eats fish.",
        "CC-BY-4.0",
    )
    assert survey(tmp_path, fetch=False).leaves[ANIMALS].documents[0].mark == found.leaves[ANIMALS].documents[0].mark


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"commit": "0" * 40}, "has no commit 000"),
        ({"commit": "main"}, "its document: names no repo with the hash of a commit"),
        ({"repo": f"{ELSEWHERE}/none"}, "cannot be fetched: fatal: "),
    ],
)
def test_where_upstream_documents_cannot_be_had_the_contexts_serve(
    tmp_path: Path, upstream: tuple[str, str], change: dict[str, str], why: str
) -> None:
    repository, commit = upstream
    name_upstream(tmp_path, **({"repo": repository, "commit": commit} | change))
    found = survey(tmp_path)
    assert found.faults == () and found.leaves[ANIMALS].documents == ()
    assert why in found.notices[0] and found.notices[0].endswith("; the contexts of its seed examples serve as chunks")


def test_a_leaf_names_no_repository_of_this_machine(tmp_path: Path, upstream: tuple[str, str]) -> None:
    folder = tmp_path / "origin"
    for repo in (str(folder), folder.as_uri(), "../origin"):
        name_upstream(tmp_path, repo, upstream[1])
        found = survey(tmp_path)
        assert found.leaves[ANIMALS].documents == () and "is no https, ssh or git address" in found.notices[0]
    named = {"leaf": ANIMALS, "source": str(folder), "commit": upstream[1], "patterns": ["*.md"]}
    assert len(survey(tmp_path, documents=[named]).leaves[ANIMALS].documents) == 1


def test_a_repository_that_gives_no_answer_is_asked_once_for_all_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.seeds.git.FETCH_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for leaf in (ANIMALS, "knowledge/plants"):
            name_upstream(tmp_path, f"git://127.0.0.1:{silent.getsockname()[1]}/a.git", "0" * 40, leaf)
        found = survey(tmp_path)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert [notice.partition(":")[0] for notice in found.notices] == [ANIMALS, "knowledge/plants"]
    assert all("gave no answer within 1 s" in notice for notice in found.notices)


def test_without_fetching_nothing_is_read_from_the_hub_or_a_url_and_its_leaves_are_awaited(tmp_path: Path) -> None:
    file = write_pairs(tmp_path, pair("1 + 1?", "2"))
    examples = [
        {"leaf": SUMS, "file": file},
        {"leaf": "knowledge/hub", "dataset": "nobody/nothing"},
        {"leaf": "knowledge/many", "dataset": "nobody/more", "columns": {"leaf": "topic"}},
    ]
    documents = [{"leaf": SUMS, "source": "http://127.0.0.1:9/texts", "patterns": ["*.md"]}]
    found = survey(tmp_path, fetch=False, examples=examples, documents=documents)
    assert not found.leaves and all("is not fetched here" in said or "on the hub" in said for said in found.reasons)
    assert [found.may_come(leaf) for leaf in (SUMS, "knowledge/hub", "knowledge/many/whales")] == [True] * 3
    assert not found.may_come("knowledge/manyfold") and not found.may_come("knowledge/gone")


def test_the_side_of_an_example_is_the_same_in_whatever_source_it_stands(tmp_path: Path) -> None:
    write_leaf(tmp_path / "a/tree", COLOURS, SKILL)
    leaf = survey(tmp_path / "a", holdout=0.5).leaves[COLOURS]
    rows = [pair(example.question, example.answer) for example in leaf.examples]
    other = survey(tmp_path, examples=[{"leaf": COLOURS, "file": write_pairs(tmp_path, *rows)}], holdout=0.5).leaves[COLOURS]
    columns = ["record_id", "split"]
    assert collect_examples(leaf, 0.5).select(columns).equals(collect_examples(other, 0.5).select(columns))


def test_a_stray_file_beside_a_leaf_is_a_fault_that_spares_the_leaf(tmp_path: Path) -> None:
    write_leaf(tmp_path / "tree", COLOURS, SKILL, qna__yml=SKILL)
    found = survey(tmp_path)
    assert list(found.leaves) == [COLOURS] and found.left_out == {} and len(found.faults) == 1


def test_a_bad_document_deep_in_a_leaf_keeps_the_leaf_out(tmp_path: Path) -> None:
    folder = write_leaf(tmp_path / "tree", ANIMALS, KNOWLEDGE_HEAD + "factory: {documents: ['**/*.md']}\n" + KNOWLEDGE_EXAMPLES)
    (folder / "more/deep").mkdir(parents=True)
    (folder / "more/deep/a.md").write_bytes(b"\xff")
    found = survey(tmp_path, topics=[{"leaf": ANIMALS, "topics": ["cats"]}])
    assert found.leaves == {} and "deep/a.md:1:1: not UTF-8" in found.left_out[ANIMALS][0]
