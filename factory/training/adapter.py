"""Low-rank adapters: tuned beside frozen weights, and merged into them in the end, so that every phase makes a whole model."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.pico.models import resolve_model
from factory.training.student import open_student
from factory.training_spec import ALL_LINEAR, LoraSpec

ADAPTER = "adapter"
"""Folder of a student's adapter, in that of the merged model."""
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def add_adapter(what: str, model: Any, spec: LoraSpec, seed: int) -> Any:
    """`model` with an adapter that changes nothing yet, its A drawn by `seed`; the model's own weights are frozen.

    Raises FactoryError, in the name of `what`, where a target of `spec` is no linear layer of the model.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    layers = choose_layers(what, model, spec)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules=layers,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft warns of what it puts right by itself, and reads an old name of transformers.
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    # A set has another order in each process, and checkpoints are the same bytes.
    config.target_modules = sorted(config.target_modules)
    # With a name, peft would ask the hub for the base's vocabulary at each checkpoint.
    config.base_model_name_or_path = ""
    return adapted


def choose_layers(what: str, model: Any, spec: LoraSpec) -> list[str]:
    """Names of the linear layers of `model` that are adapted: those that bear a target's name or end in it after a dot, as peft has it.

    The output layer is none of them: it often shares its weights with the embedding, which a merge would change too.
    Raises FactoryError where a target names no layer.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D) and module is not head]
    if ALL_LINEAR in spec.targets:
        return names
    chosen = {target: [name for name in names if f".{name}".endswith(f".{target}")] for target in spec.targets}
    if absent := [target for target, layers in chosen.items() if not layers]:
        raise FactoryError(
            f"{what}: lora.targets names {absent[0]!r}, which is no linear layer of the student that can be adapted. "
            f"Take some of {', '.join(sorted({name.rpartition('.')[2] for name in names}))}, or {ALL_LINEAR} for all of them."
        )
    return sorted({name for layers in chosen.values() for name in layers})


def open_merged(base: str, folder: Path) -> Any:
    """The model `base` in float32 with the adapter in `folder` merged into it. Raises FactoryError where the base cannot be opened."""
    from peft import PeftModel

    model, _ = open_student(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merged = PeftModel.from_pretrained(model, folder).merge_and_unload()
    return merged.requires_grad_(True)


def copy_adapter(checkpoint: Path, target: Path, base: str) -> None:
    """Copies the adapter of a checkpoint into the new folder `target`, with the name of its base."""
    target.mkdir()
    for name in (WEIGHTS, CONFIG):
        shutil.copyfile(checkpoint / name, target / name)
    name_base(target, base)


def name_base(folder: Path, base: str) -> None:
    """Says in the adapter in `folder` to which model it belongs."""
    file = folder / CONFIG
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"base_model_name_or_path": resolve_model(base)}, indent=2, sort_keys=True), encoding="utf-8")


def count_trained(model: Any) -> int:
    """Weights of `model` that are tuned: all, or an adapter's."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
