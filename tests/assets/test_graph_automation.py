"""Sensor and schedule: off until switched on, in step with the taxonomy, one run over all leaves."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from plant import ADDITION, COUNT, LEAVES, THANKS, build_plant

from assets.automation import build_automation
from factory.line import Line


def parts(line: Line) -> tuple[dg.SensorDefinition, dg.ScheduleDefinition]:
    sensor, schedule = build_automation(line)
    assert isinstance(sensor, dg.SensorDefinition) and isinstance(schedule, dg.ScheduleDefinition)
    return sensor, schedule


def test_nothing_runs_by_itself_until_switched_on(tmp_path: Path) -> None:
    sensor, schedule = parts(build_plant(tmp_path).line)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "UTC")


def test_a_line_without_schedule_has_none(tmp_path: Path) -> None:
    plant = build_plant(tmp_path)
    plant.write_line(schedule=None)
    assert [part.name for part in build_automation(plant.line)] == ["tiny_leaves"]


def test_the_sensor_keeps_the_leaves_in_step(tmp_path: Path) -> None:
    plant = build_plant(tmp_path)
    sensor, _ = parts(plant.line)

    def tick(instance: dg.DagsterInstance) -> tuple[list[str], list[str], str]:
        with dg.build_sensor_context(instance=instance) as context:
            said = sensor(context)
        if isinstance(said, dg.SkipReason):
            return [], [], str(said.skip_message)
        assert isinstance(said, dg.SensorResult)
        asked = said.dynamic_partitions_requests or []
        come = [key for request in asked if isinstance(request, dg.AddDynamicPartitionsRequest) for key in request.partition_keys]
        go = [key for request in asked if isinstance(request, dg.DeleteDynamicPartitionsRequest) for key in request.partition_keys]
        instance.add_dynamic_partitions("tiny_leaves", come)
        for key in go:
            instance.delete_dynamic_partition("tiny_leaves", key)
        return sorted(come), go, ""

    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance) == (LEAVES, [], "")
        assert tick(instance) == ([], [], "3 leaves, nothing new")
        plant.add_leaf(COUNT)
        sound = plant.qna(THANKS).read_text()
        plant.qna(THANKS).write_text("version: 3\n\tbroken: true\n")
        assert tick(instance) == ([COUNT], [THANKS], "")
        assert "1 faults" in tick(instance)[2]
        plant.qna(THANKS).write_text(sound)
        shutil.rmtree(plant.qna(ADDITION).parent)
        assert tick(instance) == ([THANKS], [ADDITION], "")
        shutil.rmtree(tmp_path / "taxonomy")
        assert str(tmp_path / "taxonomy") in tick(instance)[2]
        assert len(instance.get_dynamic_partitions("tiny_leaves")) == 3, "a taxonomy that is not there takes no leaf away"


def test_the_schedule_asks_for_one_run_over_all_leaves(tmp_path: Path) -> None:
    _, schedule = parts(build_plant(tmp_path).line)
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2030, 1, 1, 2, tzinfo=UTC)) as context,
    ):
        asked = schedule.evaluate_tick(context).run_requests or []
        leaves = instance.get_dynamic_partitions("tiny_leaves")
    assert sorted(leaves) == LEAVES
    (request,) = asked
    tags = request.tags
    assert (tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]) == (leaves[0], leaves[-1])


@pytest.mark.parametrize("broken", [True, False])
def test_the_schedule_skips_a_line_that_cannot_run_and_says_why(tmp_path: Path, broken: bool) -> None:
    plant = build_plant(tmp_path)
    _, schedule = parts(plant.line)
    if broken:
        for leaf in LEAVES:
            plant.qna(leaf).write_text("\tbroken\n")
    else:
        shutil.rmtree(tmp_path / "taxonomy")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance, dg.build_schedule_context(instance=instance) as context:
        tick = schedule.evaluate_tick(context)
    assert not tick.run_requests
    assert "qna.yaml:1" in str(tick.skip_message) if broken else str(tmp_path / "taxonomy") in str(tick.skip_message)
