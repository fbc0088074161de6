"""In how many processes phases are tuned: the section of a line, what it refuses, and the config file of accelerate that it may name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from factory.faults import Fault
from factory.line_models import get_at
from factory.spec import Spec
from factory.spec_faults import suggest
from factory.yaml_source import YamlSource, examine_yaml

CONFIG: Final = ("training", "scale", "config")
"""Where a line names the config file."""

CONFIG_KEYS: Final = frozenset(
    "command_file commands compute_environment debug deepspeed_config distributed_type downcast_bf16 dynamo_config enable_cpu_affinity "
    "fp8_config fsdp_config gpu_ids machine_rank main_process_ip main_process_port main_training_function megatron_lm_config "
    "mixed_precision mpirun_config num_machines num_processes parallelism_config rdzv_backend same_network tpu_env tpu_name "
    "tpu_use_cluster tpu_use_sudo tpu_vm tpu_zone use_cpu".split()
)
"""Keys of accelerate's config file; accelerate itself is too heavy to be asked while a line is read."""

EXPECTED: Final[Mapping[tuple[str, ...], tuple[tuple[Any, ...], str]]] = {
    ("distributed_type",): (("MULTI_GPU", "FSDP"), "the student whole on each GPU, or sharded over all; without a GPU leave the file out"),
    ("num_machines",): ((1, None), "a phase is tuned on one machine"),
    ("mixed_precision",): (("bf16", "no", None), "the arithmetic is bf16 where the GPU has it, as in one process"),
}
EXPECTED_OF_FSDP: Final[Mapping[tuple[str, ...], tuple[tuple[Any, ...], str]]] = {
    ("fsdp_config", "fsdp_version"): ((2,), "version 1 is not tried here"),
    ("fsdp_config", "fsdp_state_dict_type"): (("FULL_STATE_DICT",), "every checkpoint holds the whole model, for selection and serving"),
    ("fsdp_config", "fsdp_cpu_ram_efficient_loading"): ((False,), "every process opens and checks the student itself"),
}
"""What a config file must say at a place (one of several), and why. null: it may be left out."""

NO_SHARDED_ADAPTER: Final = (
    "an adapter is not tuned in a student that is sharded: leave scale.config out, so that each GPU holds the student whole, for whose own "
    "weights an adapter needs neither gradients nor an optimizer's state; or leave lora out"
)


def shards_model(config: Path) -> bool:
    """Whether the config file of accelerate shards the model over the processes."""
    source, _ = examine_yaml(config)
    return source is not None and get_at(source.data, ("distributed_type",)) == "FSDP"


class ScaleSpec(Spec):
    """How many processes tune a phase together, and how they share the model."""

    processes: int = Field(default=1, ge=1, description="Processes that tune a phase together, one for each GPU; 1: this one.")
    config: str | None = Field(
        default=None,
        min_length=1,
        description="How they share the model: a config file of accelerate, by which FSDP shards it; else each holds it whole.",
    )

    @model_validator(mode="after")
    def _config_is_of_several(self) -> Self:
        if self.config and self.processes == 1:
            raise ValueError("config says how several processes share a model: give processes too, one for each GPU")
        return self


def share_batch(batch_size: int, gradient_accumulation: int, processes: int) -> tuple[int, int] | None:
    """Rows that each of `processes` computes at once, and how often before a step, so that together they take the same rows to a step as
    one would; None where shares would not be equal. Accumulation is shared out first: rows at once are what keeps a GPU busy."""
    sooner = math.gcd(gradient_accumulation, processes)
    if batch_size % (processes // sooner):
        return None
    return batch_size // (processes // sooner), gradient_accumulation // sooner


def explain_share(phase: str, batch_size: int, gradient_accumulation: int, processes: int) -> str | None:
    """Why `processes` cannot share the batches of the phase named so, and what to do; None where they can."""
    if share_batch(batch_size, gradient_accumulation, processes):
        return None
    return (
        f"phase {phase!r}: {processes} processes cannot take equal shares of batch_size {batch_size} times gradient_accumulation "
        f"{gradient_accumulation}: make one of the two a multiple of {processes}, or take another number of processes"
    )


def find_scale_faults(source: YamlSource, folder: Path) -> Iterator[Fault]:
    """A fault for all that is wrong with the config file that the line `source` in `folder` names."""
    named, processes = (get_at(source.data, ("training", "scale", key)) for key in ("config", "processes"))
    if not (isinstance(named, str) and named):
        return
    file = folder / named
    if not file.is_file():
        yield source.fault(CONFIG, f"no file {file}; give a config file of accelerate, or leave config out: a whole model in each process")
        return
    config, faults = examine_yaml(file)
    yield from faults
    if config is None:
        return
    if not isinstance(config.data, dict):
        yield Fault(config.name, 1, 1, "", "expected keys and values, such as 'distributed_type: FSDP'")
        return
    yield from _check_config(config, processes)
    if shards_model(file):
        yield from (source.fault(place, NO_SHARDED_ADAPTER) for place in _find_adapters(source.data))


def _find_adapters(line: Any) -> Iterator[tuple[str | int, ...]]:
    """Where a line, as read, asks for an adapter."""
    phases = get_at(line, ("training", "phases"))
    plan = [("phases", number) for number in range(len(phases))] if isinstance(phases, list) else []
    for place in (("training", *of, "lora") for of in (("tuning",), *plan)):
        if get_at(line, place) is not None:
            yield place


def _check_config(config: YamlSource, processes: Any) -> Iterator[Fault]:
    for key in config.data:
        if key not in CONFIG_KEYS:
            yield config.fault((key,), f"accelerate has no such key; {suggest(key, CONFIG_KEYS)}", at_key=True)
    expected = {**EXPECTED, **(EXPECTED_OF_FSDP if config.data.get("distributed_type") == "FSDP" else {})}
    for place, (values, why) in expected.items():
        given = get_at(config.data, place)
        # In Python 1 is True and 0 is False.
        if not any(given == value and type(given) is type(value) for value in values):
            yield config.fault(place, f"expected {' or '.join(str(value) for value in values if value is not None)}: {why}")
    count = config.data.get("num_processes")
    if count is not None and count != processes:
        yield config.fault(("num_processes",), f"the line says {processes or 1} as training.scale.processes: say the same, or leave it out")


def locate_config(line: dict[str, Any], folder: Path) -> None:
    """Makes the config file that `line`, the dump of a Line, names relative to `folder` an absolute path."""
    scale = line["training"]["scale"]
    if scale["config"]:
        scale["config"] = str((folder / scale["config"]).resolve())
