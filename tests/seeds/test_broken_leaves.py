"""Every way to break a leaf is named with file, line, column and YAML path, all in one pass, and harms no other leaf."""
# ruff: noqa: E501 - the table of cases is read by rows

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from leaves import GROUNDED, KNOWLEDGE, KNOWLEDGE_EXAMPLES, KNOWLEDGE_HEAD, SKILL, write_leaf

from factory.faults import Fault
from factory.seeds import read_taxonomy
from factory.spec import Spec

LOCAL = KNOWLEDGE_HEAD + "factory:\n  documents: ['*.md']\n" + KNOWLEDGE_EXAMPLES


class Range(Spec):
    """Settings of a verifier."""

    least: int
    most: int = 9


VERIFIERS = {"exact": Spec, "dates": Spec, "between": Range}


@dataclass(frozen=True)
class Case:
    """`text` with `old` replaced by `new`, and the one fault that this must give."""

    name: str
    text: str
    old: str
    new: str
    line: int
    column: int
    where: str
    message: str
    leaf: str = "compositional_skills/colours"
    files: dict[str, str] = field(default_factory=dict)


def skill(name: str, old: str, new: str, line: int, column: int, where: str, message: str) -> Case:
    assert old in SKILL
    return Case(name, SKILL, old, new, line, column, where, message)


def knowledge(name: str, old: str, new: str, line: int, column: int, where: str, message: str, text: str = KNOWLEDGE, **files: str) -> Case:
    assert old in text
    return Case(name, text, old, new, line, column, where, message, "knowledge/animals", files)


SNOW = "  - question: What colour is snow?\n    answer: white\n"
CASES = [
    skill("no question", "  - question: What colour is snow?\n    answer", "  - answer", 10, 5, "seed_examples[1].question", "is missing"),
    skill("no answer", SNOW, SNOW.split("    answer")[0], 10, 5, "seed_examples[1].answer", "is missing"),
    skill("blank answer", "answer: white", "answer:", 11, 12, "seed_examples[1].answer", "is empty"),
    skill("empty question", "What colour is snow?", "''", 10, 15, "seed_examples[1].question", "is empty"),
    skill("answer of spaces", "answer: white", "answer: '  '", 11, 13, "seed_examples[1].answer", "is empty"),
    skill("empty block answer", "answer: white", "answer: |", 11, 13, "seed_examples[1].answer", "is empty"),
    skill("number answer", "answer: white", "answer: 42", 11, 13, "seed_examples[1].answer", "found the number 42; put it in quotes"),
    skill("yes answer", "answer: white", "answer: yes", 11, 13, "seed_examples[1].answer", "found yes or no"),
    skill("date answer", "answer: white", "answer: 2024-04-06", 11, 13, "seed_examples[1].answer", "the date 2024-04-06; put it in quotes"),
    skill("no date", "answer: white", "answer: 2024-04-66", 11, 13, "seed_examples[1].answer", "reads as a date and is none"),
    skill("list answer", "answer: white", "answer: [white]", 11, 5, "seed_examples[1].answer", "expected text, found a list"),
    skill("text for an example", SNOW, "  - snow is white\n", 10, 5, "seed_examples[1]", "expected keys and values, found 'snow is white'"),
    skill("empty example", SNOW, "  -\n", 10, 4, "seed_examples[1]", "expected keys and values, found nothing"),
    skill("four examples", SNOW, "", 7, 1, "seed_examples", "at least 5 examples needed; there are 4"),
    skill("blank context", "answer: white", "answer: white\n    context:", 12, 13, "seed_examples[1].context", "is empty; write a value"),
    skill("unknown key", "answer: white", "anwser: white", 11, 5, "seed_examples[1].anwser", "unknown key; did you mean 'answer'?"),
    skill("unknown top key", "created_by", "author", 3, 1, "author", "unknown key; known: created_by"),
    skill("capital key", "version: 3", "Version: 3", 1, 1, "Version", "did you mean 'version'?"),
    skill("key of another kind", "created_by: somebody", "created_by: somebody\ndomain: x", 4, 1, "domain", "unknown key"),
    skill("no description", "task_description: Say the colour of a thing.\n", "", 1, 1, "task_description", "is missing"),
    skill("no author", "created_by: somebody\n", "", 1, 1, "created_by", "is missing"),
    skill("number author", "somebody", "5", 3, 13, "created_by", "expected text, found the number 5"),
    skill("duplicate", "What colour is coal?\n    answer: black", "What colour is snow?\n    answer: white", 16, 5, "seed_examples[4]", "on line 10"),
    skill("duplicate in quotes", "What colour is coal?\n    answer: black", "'What colour is snow? '\n    answer: |\n      white", 16, 5, "seed_examples[4]", "line 10"),
    skill("duplicate key", "answer: white", "answer: white\n    answer: grey", 12, 5, "seed_examples[1].answer", "given twice; the first is on line 11"),
    skill("key that is no text", "created_by: somebody", "created_by: somebody\n7: x", 4, 1, "7", "unknown key"),
    skill("mixed", "answer: white", "answer: white\n    context: Snow.", 10, 5, "seed_examples[1]", "has a context, and 1 of 5 examples have one"),
    skill("text version", "version: 3", "version: '3'", 1, 10, "version", "expected the number 3, found '3'"),
    skill("yes version", "version: 3", "version: yes", 1, 10, "version", "expected the number 3, found yes or no"),
    skill("future version", "version: 3", "version: 4", 1, 10, "version", "version 4 is not known"),
    skill("version zero", "version: 3", "version: 0", 1, 10, "version", "version 0 is not known"),
    skill("tab", "    answer: white", "\tanswer: white", 11, 1, "", "a tab indents this line"),
    skill("open quote", "answer: white", "answer: 'white", 11, 13, "", "this quote is never closed"),
    skill("colon in plain text", "answer: white", "answer: it is: white", 11, 18, "", "put text that holds ': ' in quotes"),
    skill("star", "answer: white", "answer: *white", 11, 13, "", "cannot start with '*'"),
    skill("two documents", "seed_examples:", "---\nseed_examples:", 7, 1, "", "a second document starts here"),
    skill("object tag", "answer: white", "answer: !!python/name:os.system x", 11, 13, "seed_examples[1].answer", "not plain data"),
    skill("examples as text", SKILL[SKILL.index("seed_examples") :], "seed_examples: none\n", 7, 16, "seed_examples", "expected a list, found 'none'"),
    skill("no examples", SKILL[SKILL.index("seed_examples") :], "seed_examples: []\n", 7, 1, "seed_examples", "needed; there are none"),
    skill("blank examples", SKILL[SKILL.index("seed_examples") :], "seed_examples:\n", 7, 15, "seed_examples", "expected a list, found nothing"),
    skill("bad language", "language: en", "language: english", 5, 13, "factory.language", "BCP 47 tag such as en"),
    skill("blank language", "language: en", "language:", 5, 12, "factory.language", "is empty"),
    skill("bad group", "{domain: things}", "{domain: 5}", 6, 20, "factory.groups.domain", "expected text, found the number 5"),
    skill("groups as list", "{domain: things}", "[things]", 6, 3, "factory.groups", "expected keys and values, found a list"),
    skill("unknown extension key", "language: en", "verifer: exact", 5, 3, "factory.verifer", "did you mean 'verifier'?"),
    skill("blank extension", SKILL[SKILL.index("  language") : SKILL.index("seed_ex")], "", 4, 9, "factory", "expected keys and values, found nothing"),
    skill("unknown verifier", "language: en", "verifier: exakt", 5, 13, "factory.verifier", "no verifier is called 'exakt'; did you mean 'exact'?"),
    skill("unknown verifier with settings", "language: en", "verifier: {name: exakt, a: 1}", 5, 20, "factory.verifier.name", "did you mean 'exact'?"),
    skill("blank verifier", "language: en", "verifier: ' '", 5, 13, "factory.verifier", "is empty"),
    skill("verifier without a name", "language: en", "verifier: {least: 1}", 5, 3, "factory.verifier.name", "is missing"),
    skill("verifiers as list", "language: en", "verifier: [exact]", 5, 3, "factory.verifier", "expected the name of a verifier"),
    skill("setting of no kind", "language: en", "verifier: {name: exact, a: 1}", 5, 27, "factory.verifier.a", "unknown key; known: none"),
    skill("misspelt setting", "language: en", "verifier: {name: between, least: 1, mosst: 2}", 5, 39, "factory.verifier.mosst", "did you mean 'most'?"),
    skill("setting missing", "language: en", "verifier: between", 5, 13, "factory.verifier.least", "is missing"),
    skill("bad setting", "language: en", "verifier: {name: between, least: one}", 5, 36, "factory.verifier.least", "valid integer"),
    skill("date in settings", "language: en", "verifier: {name: between, least: 2024-01-01}", 5, 3, "factory.verifier", "holds what JSON has not"),
    skill("unknown problems", "language: en", "problems: dates", 5, 13, "factory.problems", "no problem writer is called 'dates'; known: colours"),
    skill("blank tone", "language: en", "tone: ' '", 5, 9, "factory.tone", "is empty"),
    skill("no turns", "language: en", "turns: 0", 5, 10, "factory.turns", "greater than or equal to 1"),
    skill("turns in words", "language: en", "turns: two", 5, 10, "factory.turns", "valid integer"),
    skill("yes turns", "language: en", "turns: yes", 5, 10, "factory.turns", "valid integer"),
    skill("documents of a skill", "language: en", "documents: ['*.md']", 5, 3, "factory.documents", "only a leaf below knowledge/"),
    Case("one without context", GROUNDED, "  - context: Omar has a boat.\n    q", "  - q", 14, 5, "seed_examples[3]", "has no context, and 4 of 5"),
    Case("empty file", "", "", "", 1, 1, "", "the file is empty"),
    Case("comments alone", "# nothing\n", "", "", 1, 1, "", "the file is empty"),
    Case("a list", "- a\n- b\n", "", "", 1, 1, "", "expected keys and values such as 'version: 3'; found a list"),
    Case("first version without examples", "created_by: a\ntask_description: b\nseed_examples: []\n", "", "", 3, 1, "seed_examples", "at least 1 example"),
    knowledge("old version", "version: 3", "version: 2", 1, 10, "version", "version 2 is too old for knowledge"),
    knowledge("no version", "version: 3\n", "", 1, 1, "version", "a file without 'version:' (so of version 1) is too old"),
    knowledge("no domain", "domain: Animals\n", "", 1, 1, "domain", "is missing"),
    knowledge("no outline", "document_outline: What animals eat.\n", "", 1, 1, "document_outline", "is missing"),
    knowledge("four contexts", KNOWLEDGE[KNOWLEDGE.index("  - context: The fox") :], "", 9, 1, "seed_examples", "at least 5 contexts needed; there are 4"),
    knowledge("two pairs", "      - question: When does the dog sleep?\n        answer: The dog sleeps at night.\n", "", 19, 5, "seed_examples[1].questions_and_answers", "at least 3 questions with answers needed; there are 2"),
    knowledge("no context", "  - context: The dog eats food 1. It has 1 names. It sleeps at night.\n    q", "  - q", 18, 5, "seed_examples[1].context", "is missing"),
    knowledge("no answer in a pair", "        answer: The dog eats food 1.\n", "", 20, 9, "seed_examples[1].questions_and_answers[0].answer", "is missing"),
    knowledge("extra key in a pair", "        answer: The dog eats food 1.", "        answer: The dog eats food 1.\n        contxt: x", 22, 9, "seed_examples[1].questions_and_answers[0].contxt", "unknown key"),
    knowledge("duplicate pair", "When does the dog sleep?\n        answer: The dog sleeps at night.", "What does the dog eat?\n        answer: The dog eats food 1.", 24, 9, "seed_examples[1].questions_and_answers[2]", "the same example as on line 20"),
    knowledge("no patterns", '  patterns: ["*.md"]\n', "", 5, 1, "document.patterns", "is missing"),
    knowledge("empty patterns", '["*.md"]', "[]", 8, 3, "document.patterns", "at least 1 pattern needed"),
    knowledge("pattern twice", '["*.md"]', '["*.md", "*.md"]', 8, 22, "document.patterns[1]", "the same pattern as before"),
    knowledge("bad document key", "commit:", "comit:", 7, 3, "document.comit", "did you mean 'commit'?"),
    knowledge("no document", "factory:\n  documents: ['*.md']\n", "", 1, 1, "document", "is missing; give upstream's document: or our factory.documents:", LOCAL),
    knowledge("pattern without match", "", "", 6, 15, "factory.documents[0]", "the pattern '*.md' matches no file", LOCAL),
    knowledge("pattern upwards", "*.md", "../*.md", 6, 15, "factory.documents[0]", "leads out of the leaf's folder", LOCAL),
    knowledge("absolute pattern", "*.md", "/etc/*.md", 6, 15, "factory.documents[0]", "leads out of the leaf's folder", LOCAL),
    knowledge("bad pattern", "*.md", "**x", 6, 15, "factory.documents[0]", "cannot be read", LOCAL),
    knowledge("dot pattern", "*.md", ".", 6, 15, "factory.documents[0]", "leads out of the leaf's folder", LOCAL),
    knowledge("unread kind", "*.md", "*.doc", 6, 15, "factory.documents[0]", "a.doc, which '*.doc' matches, is of no kind that is read", LOCAL, a__doc="x"),
    knowledge("number pattern", "'*.md'", "5", 6, 15, "factory.documents[0]", "expected text, found the number 5", LOCAL),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_leaf_is_named_and_others_are_read(tmp_path: Path, case: Case) -> None:
    write_leaf(tmp_path, case.leaf, case.text.replace(case.old, case.new, 1), **case.files)
    write_leaf(tmp_path, "foundational_skills/sound", SKILL)
    taxonomy = read_taxonomy(tmp_path, verifiers=VERIFIERS, problems=["colours"])
    assert list(taxonomy.leaves) == ["foundational_skills/sound"]
    found = [fault for fault in taxonomy.faults if fault.where == case.where and case.message in fault.message]
    assert found, "\n".join(map(str, taxonomy.faults))
    assert {fault.file for fault in taxonomy.faults} == {str(tmp_path / case.leaf / "qna.yaml")}
    assert (found[0].line, found[0].column) == (case.line, case.column)


def test_there_are_enough_ways_to_break_a_leaf() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


def test_all_faults_of_all_files_come_in_one_pass(tmp_path: Path) -> None:
    broken = (
        SKILL.replace("answer: white", "anwser: white").replace("answer: red", "answer: 5").replace("created_by: somebody", "author: me")
    )
    broken = broken.replace("  language: en", "  language: en\n  language: id") + "  - question: What colour is coal?\n    answer: black\n"
    write_leaf(tmp_path, "compositional_skills/a", broken)
    write_leaf(tmp_path, "compositional_skills/b", "a: '\n")
    faults = read_taxonomy(tmp_path).faults
    assert [(Path(fault.file).parent.name, fault.line, fault.where) for fault in faults] == [
        ("a", 1, "created_by"),
        ("a", 3, "author"),
        ("a", 6, "factory.language"),
        ("a", 11, "seed_examples[1].answer"),
        ("a", 12, "seed_examples[1].anwser"),
        ("a", 14, "seed_examples[2].answer"),
        ("a", 19, "seed_examples[5]"),
        ("b", 1, ""),
    ]


@pytest.mark.parametrize("name", ["qna.yml", "QNA.yaml", "qna.yaml.txt", "Qna.yaml", "qnas.yaml", "qan.yaml", "qna.json", "qna.YAML"])
def test_a_file_that_was_meant_to_be_a_leaf_is_a_fault(tmp_path: Path, name: str) -> None:
    write_leaf(tmp_path, "compositional_skills/colours", SKILL).joinpath("qna.yaml").rename(
        tmp_path / "compositional_skills/colours" / name
    )
    taxonomy = read_taxonomy(tmp_path)
    assert taxonomy.leaves == {}
    assert taxonomy.faults == (
        Fault(str(tmp_path / "compositional_skills/colours" / name), 1, 1, "", "is not read; rename it to qna.yaml"),
    )


def test_a_second_file_beside_a_leaf_is_a_fault_that_spares_the_leaf(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skills/colours", SKILL, qna__yml=SKILL)
    taxonomy = read_taxonomy(tmp_path)
    assert list(taxonomy.leaves) == ["compositional_skills/colours"]
    assert "a leaf has one qna.yaml; delete this file" in taxonomy.faults[0].message


def test_a_leaf_in_the_wrong_place_is_a_fault(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skill/colours", SKILL)
    write_leaf(tmp_path, ".", SKILL)
    messages = [fault.message for fault in read_taxonomy(tmp_path).faults]
    assert "did you mean compositional_skills/ for compositional_skill/?" in messages[0]
    assert "a leaf lies below compositional_skills/" in messages[1]


def test_a_leaf_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skills/colours", SKILL.encode().replace(b"white", b"wei\xdf"))
    (fault,) = read_taxonomy(tmp_path).faults
    assert (fault.line, fault.column) == (11, 16)
    assert "not UTF-8 (byte 0xdf)" in fault.message


def test_a_document_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    folder = write_leaf(tmp_path, "knowledge/animals", LOCAL, a__md=b"# A\n\nbad \xff\n", b__md=" \n")
    assert [str(fault) for fault in read_taxonomy(tmp_path).faults] == [
        f"{folder / 'a.md'}:3:5: not UTF-8 (byte 0xff); save the file as UTF-8",
        f"{folder / 'b.md'}: the document is empty, or holds headings alone",
    ]


def test_a_link_out_of_the_leaf_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    folder = write_leaf(tmp_path / "tree", "knowledge/animals", LOCAL)
    (folder / "a.md").symlink_to(tmp_path / "secret.md")
    (fault,) = read_taxonomy(tmp_path / "tree").faults
    assert "a link that leads out of the leaf's folder" in fault.message


def test_a_folder_name_that_is_not_utf8_is_a_fault(tmp_path: Path) -> None:
    write_leaf(tmp_path, "compositional_skills/" + os.fsdecode(b"\xff"), SKILL)
    (fault,) = read_taxonomy(tmp_path).faults
    assert "not UTF-8; rename it" in fault.message
    assert str(fault).isprintable()
