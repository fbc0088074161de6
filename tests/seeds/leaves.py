"""Writes leaves for the tests of the seeds room."""

from __future__ import annotations

from pathlib import Path

SKILL = """\
version: 3
task_description: Say the colour of a thing.
created_by: somebody
factory:
  language: en
  groups: {domain: things}
seed_examples:
  - question: What colour is grass?
    answer: green
  - question: What colour is snow?
    answer: white
  - question: What colour is blood?
    answer: red
  - question: What colour is the sky?
    answer: blue
  - question: What colour is coal?
    answer: black
"""

GROUNDED = """\
version: 2
task_description: Find the name.
created_by: somebody
seed_examples:
  - context: Ana has a hat.
    question: Who has a hat?
    answer: Ana
  - context: Budi has a kite.
    question: Who has a kite?
    answer: Budi
  - context: Rina has a lamp.
    question: Who has a lamp?
    answer: Rina
  - context: Omar has a boat.
    question: Who has a boat?
    answer: Omar
  - context: Lina has a drum.
    question: Who has a drum?
    answer: Lina
"""

FIRST_VERSION = """\
created_by: somebody
task_description: ''
seed_examples:
- question: 'Who is tall?

    '
  answer: Ana
- question: Who is small?
  answer: Budi
- question: Who is tall?
  answer: Ana
"""

KNOWLEDGE_HEAD = """\
version: 3
domain: Animals
created_by: somebody
document_outline: What animals eat.
"""
REMOTE = """\
document:
  repo: https://example.org/animals.git
  commit: 951999afdc59c46d325493568193b40bd5439c9e
  patterns: ["*.md"]
"""
ANIMALS = ("cat", "dog", "cow", "hen", "fox")
KNOWLEDGE_EXAMPLES = "seed_examples:\n" + "".join(
    f"""\
  - context: The {animal} eats food {number}. It has {number} names. It sleeps at night.
    questions_and_answers:
      - question: What does the {animal} eat?
        answer: The {animal} eats food {number}.
      - question: How many names does the {animal} have?
        answer: The {animal} has {number} names.
      - question: When does the {animal} sleep?
        answer: The {animal} sleeps at night.
"""
    for number, animal in enumerate(ANIMALS)
)
KNOWLEDGE = KNOWLEDGE_HEAD + REMOTE + KNOWLEDGE_EXAMPLES
ATTRIBUTION = "Title of work: A\nLink to work: -\nLicense of the work: CC BY 4.0\nCreator names: somebody\n"


def write_leaf(root: Path, path: str, text: str | bytes, attribution: str | None = ATTRIBUTION, **files: str | bytes) -> Path:
    """Writes a leaf below `root`; `files` are further files by name, with `__` for the dot."""
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"qna.yaml": text} | {name.replace("__", "."): content for name, content in files.items()}
    if attribution is not None:
        contents["attribution.txt"] = attribution
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def count_quarters(text: str) -> int:
    """A fourth of the UTF-8 bytes, rounded up: a count of tokens for tests that need no tokenizer."""
    return -(-len(text.encode()) // 4)
