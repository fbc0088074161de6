"""In how many processes a line tunes: what it says, what it refuses, and the config file that the repository brings."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from factory.faults import InputFaults
from factory.line import Line, load_line
from factory.scale_spec import CONFIG_KEYS, share_batch

LINES = Path(__file__).parents[1] / "lines"
FSDP = (LINES / "accelerate" / "fsdp.yaml").read_text()
PLAIN = "distributed_type: MULTI_GPU\nnum_machines: 1\n"


def load(folder: Path, training: str, config: str | None = None) -> Line:
    (folder / "tree").mkdir()
    if config is not None:
        (folder / "config.yaml").write_text(config)
    (folder / "demo.yaml").write_text(f"name: demo\nseeds: {{taxonomy: tree}}\ntraining:\n{training}")
    return load_line(folder / "demo.yaml")


def test_a_phase_is_tuned_in_one_process_unless_the_line_says_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path, "  student: pico-student\n").training.scale.processes == 1


def test_the_config_file_of_the_repository_is_taken_and_found_beside_the_line(tmp_path: Path) -> None:
    scale = load(tmp_path, "  scale: {processes: 8, config: config.yaml}\n", FSDP).training.scale
    assert (scale.processes, scale.config) == (8, str((tmp_path / "config.yaml").resolve()))


def test_the_config_file_of_the_repository_is_one_of_accelerate() -> None:
    from accelerate.commands.config.config_args import ClusterConfig

    assert {field.name for field in fields(ClusterConfig)} == CONFIG_KEYS
    read = ClusterConfig.from_yaml_file(LINES / "accelerate" / "fsdp.yaml")
    assert (read.distributed_type.value, read.fsdp_config["fsdp_version"], read.mixed_precision) == ("FSDP", 2, "bf16")


@pytest.mark.parametrize(
    "batch_size, accumulation, processes, share",
    [(16, 1, 2, (8, 1)), (16, 8, 8, (16, 1)), (4, 3, 2, (2, 3)), (16, 2, 8, (4, 1)), (6, 2, 4, (3, 1)), (16, 1, 3, None), (1, 1, 2, None)],
)
def test_shares_make_up_the_batch_and_accumulation_is_shared_out_first(
    batch_size: int, accumulation: int, processes: int, share: tuple[int, int] | None
) -> None:
    assert share_batch(batch_size, accumulation, processes) == share
    assert share is None or share[0] * share[1] * processes == batch_size * accumulation


@pytest.mark.parametrize(
    "training, fault",
    [
        ("  scale: {processes: 0}\n", r"demo.yaml:4:22: training.scale.processes: .*greater than or equal to 1"),
        ("  scale: {proceses: 2}\n", r"demo.yaml:4:11: training.scale.proceses: .*did you mean 'processes'"),
        (
            "  scale: {processes: 3}\n",
            r"phase 'sft': 3 processes cannot take equal shares of batch_size 16 times gradient_accumulation 1: make",
        ),
        ("  scale: {config: config.yaml}\n", r"config says how several processes share a model: give processes too"),
        ("  scale: {processes: 2, config: absent.yaml}\n", r"demo.yaml:4:33: training.scale.config: no file .*absent.yaml; give a config"),
        (
            "  scale: {processes: 2}\n  phases:\n    - {name: hidden, private: {epsilon: 8}}\n",
            r"phase 'hidden' is private, which goes in one process: leave scale out",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused_at_the_door(tmp_path: Path, training: str, fault: str) -> None:
    with pytest.raises(InputFaults, match=fault):
        load(tmp_path, training, FSDP)


ADAPTED = "  phases:\n    - {name: plain}\n    - {name: adapted, lora: {rank: 4}}\n"


@pytest.mark.parametrize(
    "plan, place",
    [(ADAPTED, r"7:23: training.phases\[1\].lora"), ("  preset: lab\n  tuning: {lora: {}}\n", r"6:12: training.tuning.lora")],
)
def test_an_adapter_is_refused_where_the_student_is_sharded(tmp_path: Path, plan: str, place: str) -> None:
    with pytest.raises(InputFaults, match=rf"demo.yaml:{place}: an adapter is not tuned in a student that is sharded: .*leave lora out"):
        load(tmp_path, f"  scale: {{processes: 8, config: config.yaml}}\n{plan}", FSDP)


def test_an_adapter_is_taken_where_each_process_holds_the_student_whole(tmp_path: Path) -> None:
    training = load(tmp_path, f"  scale: {{processes: 8, config: config.yaml}}\n{ADAPTED}", PLAIN).training
    assert training.plan[1].lora is not None


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"distributed_type": "DEEPSPEED"}, r"config.yaml:2:19: distributed_type: expected MULTI_GPU or FSDP"),
        ({"num_machines": 2}, r"config.yaml:\d+:\d+: num_machines: expected 1: a phase is tuned on one machine"),
        ({"num_processes": 4}, r"num_processes: the line says 8 as training.scale.processes"),
        ({"fdsp_config": {}}, r"fdsp_config: accelerate has no such key; did you mean 'fsdp_config'"),
        ({"fsdp_state_dict_type": "SHARDED_STATE_DICT"}, r"fsdp_config.fsdp_state_dict_type: expected FULL_STATE_DICT: every checkpoint"),
        ({"fsdp_version": 1}, r"fsdp_config.fsdp_version: expected 2"),
        ({"fsdp_cpu_ram_efficient_loading": None}, r"fsdp_config.fsdp_cpu_ram_efficient_loading: expected False"),
    ],
)
def test_a_config_file_that_would_tune_otherwise_is_refused(tmp_path: Path, change: dict[str, object], fault: str) -> None:
    config = yaml.safe_load(FSDP)
    for key, value in change.items():
        (config["fsdp_config"] if key in config["fsdp_config"] else config)[key] = value
    with pytest.raises(InputFaults, match=fault):
        load(tmp_path, "  scale: {processes: 8, config: config.yaml}\n", yaml.safe_dump(config))
