"""Where a line names real texts to measure forgetting on, and whether there are any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.faults import Fault
from factory.line_models import get_at
from factory.seeds_spec import DOCUMENT_SUFFIXES
from factory.yaml_source import YamlSource

TEXTS = ("training", "evaluation", "texts")


def find_text_faults(source: YamlSource, folder: Path) -> Iterator[Fault]:
    """A fault for each pattern of the line `source` that matches no file, relative to `folder`, or one of no kind that is read."""
    patterns = get_at(source.data, TEXTS)
    for number, pattern in enumerate(patterns if isinstance(patterns, list) else []):
        if not isinstance(pattern, str) or not pattern.strip():
            continue
        files = list_texts(pattern, folder)
        if not files:
            yield source.fault((*TEXTS, number), f"no file matches {folder / pattern}; give a file or a pattern, such as 'texts/*.md'")
        if odd := next((file for file in files if file.suffix.lower() not in DOCUMENT_SUFFIXES), None):
            known = ", ".join(DOCUMENT_SUFFIXES)
            yield source.fault((*TEXTS, number), f"{odd} is of no kind that is read ({known}); name the kind in the pattern: 'texts/*.md'")


def locate_texts(line: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`line`, the dump of a Line, with each file that a pattern matches, as an absolute path and once, in place of the pattern."""
    evaluation = get_at(line, TEXTS[:-1])
    evaluation["texts"] = sorted({str(file) for pattern in evaluation["texts"] for file in list_texts(pattern, folder)})
    return line


def list_texts(pattern: str, folder: Path) -> list[Path]:
    """The files that `pattern`, relative to `folder` or absolute, matches; `**` stands for any folders."""
    if (folder / pattern).is_file():
        return [(folder / pattern).resolve()]
    given = Path(pattern)
    root, below = (Path(given.anchor), str(given.relative_to(given.anchor))) if given.is_absolute() else (folder, pattern)
    try:
        return sorted(file.resolve() for file in root.glob(below) if file.is_file())
    except (ValueError, IndexError):  # what pathlib raises for a pattern that is none, such as 'texts/**.md' or '.'
        return []
