"""Sound leaves of every version and kind are read whole, and what is merely worth knowing is a notice."""

from __future__ import annotations

from pathlib import Path

import pytest
from leaves import ATTRIBUTION, FIRST_VERSION, GROUNDED, KNOWLEDGE, KNOWLEDGE_EXAMPLES, KNOWLEDGE_HEAD, SKILL, write_leaf

from factory.faults import FactoryError
from factory.seeds import Leaf, read_taxonomy
from factory.seeds.leaf import RemoteDocuments


def read_leaf(root: Path) -> Leaf:
    taxonomy = read_taxonomy(root)
    assert taxonomy.faults == ()
    (leaf,) = taxonomy.leaves.values()
    return leaf


def test_a_skill_with_our_extension(tmp_path: Path) -> None:
    text = SKILL.replace("  language: en\n", "  language: id\n  verifier: exact\n  problems: colours\n")
    write_leaf(tmp_path, "compositional_skills/words/colours", text)
    leaf = read_leaf(tmp_path)
    assert (leaf.path, leaf.kind, leaf.language) == ("compositional_skills/words/colours", "compositional", "id")
    assert (leaf.verifier, leaf.problems, leaf.groups) == ("exact", "colours", (("domain", "things"),))
    assert (leaf.licence, leaf.grounded, leaf.documents) == ("CC-BY-4.0", False, ())
    assert leaf.description == "Say the colour of a thing."
    assert [(example.question, example.answer, example.source) for example in leaf.examples][1] == (
        "What colour is snow?",
        "white",
        "compositional_skills/words/colours/qna.yaml:12",
    )


def test_a_plain_upstream_leaf_has_the_defaults(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skills/names", GROUNDED)
    leaf = read_leaf(tmp_path)
    assert leaf.grounded and leaf.examples[2].context == "Rina has a lamp."
    assert (leaf.language, leaf.verifier, leaf.problems, leaf.groups) == ("en", None, None, ())


def test_a_leaf_of_the_first_version_may_be_short_and_repeat_itself(tmp_path: Path) -> None:
    write_leaf(tmp_path, "foundational_skills/reasoning", FIRST_VERSION, attribution=None)
    taxonomy = read_taxonomy(tmp_path)
    leaf = taxonomy.leaves["foundational_skills/reasoning"]
    assert (leaf.kind, leaf.licence) == ("foundational", "unknown")
    assert [example.question for example in leaf.examples] == ["Who is tall?", "Who is small?"]
    assert taxonomy.notices == (
        "foundational_skills/reasoning: no attribution.txt, so its licence is unknown",
        "foundational_skills/reasoning: the example on line 10 repeats that on line 4 and counts once",
    )


def test_a_knowledge_leaf_knows_where_upstream_keeps_its_documents(tmp_path: Path) -> None:
    write_leaf(tmp_path, "knowledge/animals", KNOWLEDGE)
    taxonomy = read_taxonomy(tmp_path)
    leaf = taxonomy.leaves["knowledge/animals"]
    assert leaf.grounded and len(leaf.examples) == 15 and leaf.documents == ()
    assert leaf.description == "Animals: What animals eat."
    assert leaf.examples[3].context == leaf.examples[5].context
    assert leaf.remote == RemoteDocuments("https://example.org/animals.git", "951999afdc59c46d325493568193b40bd5439c9e", ("*.md",))


def test_a_knowledge_leaf_with_documents_of_its_own(tmp_path: Path) -> None:
    text = KNOWLEDGE_HEAD + "factory:\n  documents: ['*.md', 'more/**/*.txt']\n" + KNOWLEDGE_EXAMPLES
    folder = write_leaf(tmp_path, "knowledge/animals", text, b__md="# B\n\ntext", a__md="# A\n\ntext")
    (folder / "more/deep").mkdir(parents=True)
    (folder / "more/deep/c.txt").write_text("text")
    (folder / "more/d.md").write_text("not asked for")
    taxonomy = read_taxonomy(tmp_path)
    documents = taxonomy.leaves["knowledge/animals"].documents
    assert [document.name for document in documents] == [f"knowledge/animals/{name}" for name in ("a.md", "b.md", "more/deep/c.txt")]
    assert [document.read() for document in documents] == [b"# A\n\ntext", b"# B\n\ntext", b"text"]
    assert taxonomy.notices == ()


def test_attribution_is_no_document(tmp_path: Path) -> None:
    write_leaf(tmp_path, "knowledge/animals", KNOWLEDGE_HEAD + "factory: {documents: ['*.txt']}\n" + KNOWLEDGE_EXAMPLES, a__txt="text")
    assert [document.name for document in read_leaf(tmp_path).documents] == ["knowledge/animals/a.txt"]


@pytest.mark.parametrize(
    ("attribution", "notice"),
    [
        ("Title of work: A\n", "no 'License of the work:' line"),
        ("License of the work: all rights reserved\n", "the licence 'all rights reserved' is no SPDX id"),
        ("License of the work:\n", "the licence '' is no SPDX id"),
    ],
)
def test_a_licence_that_cannot_be_read_is_a_notice(tmp_path: Path, attribution: str, notice: str) -> None:
    write_leaf(tmp_path, "compositional_skills/colours", SKILL, attribution)
    taxonomy = read_taxonomy(tmp_path)
    assert taxonomy.leaves["compositional_skills/colours"].licence == "unknown"
    assert [notice in line for line in taxonomy.notices] == [True]


def test_an_attribution_that_is_not_utf8_is_a_notice(tmp_path: Path) -> None:
    folder = write_leaf(tmp_path, "compositional_skills/colours", SKILL)
    (folder / "attribution.txt").write_bytes(b"License of the work: MIT\nCreator names: \xff\n")
    taxonomy = read_taxonomy(tmp_path)
    assert taxonomy.leaves["compositional_skills/colours"].licence == "unknown"
    assert "2:16: not UTF-8" in taxonomy.notices[0]


def test_leaves_come_in_order_and_text_in_any_script_is_kept(tmp_path: Path) -> None:
    text = SKILL.replace("What colour is snow?", "ما لون الثلج؟").replace("answer: white", "answer: 白色")
    write_leaf(tmp_path, "foundational_skills/b", text)
    write_leaf(tmp_path, "compositional_skills/z", SKILL)
    write_leaf(tmp_path, "compositional_skills/a/deep", SKILL)
    leaves = read_taxonomy(tmp_path).leaves
    assert list(leaves) == ["compositional_skills/a/deep", "compositional_skills/z", "foundational_skills/b"]
    assert [(e.question, e.answer) for e in leaves["foundational_skills/b"].examples][1] == ("ما لون الثلج؟", "白色")


def read_digests(root: Path) -> tuple[str, ...]:
    leaf = read_leaf(root)
    return (leaf.digest, *(f"{document.name} {document.mark}" for document in leaf.documents))


def test_the_digest_follows_all_that_is_read_and_nothing_else(tmp_path: Path) -> None:
    text = KNOWLEDGE_HEAD + "factory: {documents: ['*.md']}\n" + KNOWLEDGE_EXAMPLES
    folder = write_leaf(tmp_path, "knowledge/animals", text, a__md="one")
    digests = [read_digests(tmp_path)]
    (folder / "notes.rst").write_text("not read")
    assert read_digests(tmp_path) == digests[0]
    for name, content in (
        ("a.md", "two"),
        ("b.md", "new"),
        ("attribution.txt", ATTRIBUTION.replace("BY", "BY-SA")),
        ("qna.yaml", text.replace("food 1", "food 9")),
    ):
        (folder / name).write_text(content)
        digests.append(read_digests(tmp_path))
    assert len(set(digests)) == 5


def test_hidden_folders_and_other_files_are_passed_over(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skills/colours", SKILL, qna__yaml__bak="old", notes__txt="x")
    write_leaf(tmp_path, ".git/knowledge", "not: a leaf")
    write_leaf(tmp_path, "docs", "x").joinpath("qna.yaml").rename(tmp_path / "docs/template_qna.yaml")
    taxonomy = read_taxonomy(tmp_path)
    assert list(taxonomy.leaves) == ["compositional_skills/colours"] and taxonomy.faults == ()


def test_a_folder_that_is_absent_a_file_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match="no taxonomy folder"):
        read_taxonomy(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FactoryError, match="no taxonomy folder"):
        read_taxonomy(tmp_path / "file")
    (tmp_path / "compositional_skills/words").mkdir(parents=True)
    with pytest.raises(FactoryError, match="no leaf in the taxonomy folder"):
        read_taxonomy(tmp_path)
