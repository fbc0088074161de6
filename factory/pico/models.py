"""Where the bundled models lie, and how a model's name in a line becomes something that transformers opens."""

from __future__ import annotations

import hashlib
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
PICO_MODELS = ("pico-teacher", "pico-student", "pico-reward")


def resolve_model(model: str) -> str:
    """What `from_pretrained` opens: the bundled folder for a pico name, else `model` itself (a folder or a hub id)."""
    return str(WEIGHTS / model) if model in PICO_MODELS else model


def model_revision(model: str, revision: str | None = None) -> str:
    """Twelve hex digits of a local model's files (weights, config, tokenizer), or the hub revision ("main" by default)."""
    folder = Path(resolve_model(model))
    if not folder.is_dir():
        return revision or "main"
    hasher = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".safetensors", ".json", ".jinja", ".model", ".txt"}:
            hasher.update(file.name.encode())
            hasher.update(file.read_bytes())
    return hasher.hexdigest()[:12]
