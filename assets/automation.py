"""What runs by itself once switched on: a sensor that keeps the leaves in step with their sources, and the nightly schedule."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.layout import leaves_name
from assets.seeds import read_seeds, sync_leaves
from factory.faults import FactoryError
from factory.line import Line
from resources.lock import LINE_TAG

SENSOR_SECONDS = 60


def build_job(line: Line) -> UnresolvedAssetJobDefinition:
    """The job that makes the whole line; its name is the line's."""
    return dg.define_asset_job(
        line.name,
        selection=dg.AssetSelection.groups(line.name),
        tags={LINE_TAG: line.name},
        description=line.description or f"The whole line {line.name}: seeds, generation, reward, validation, release, training.",
    )


def range_tags(leaves: list[str]) -> dict[str, str]:
    """Run tags that make one run of all `leaves`, which must stand side by side in the order of the line's partitions."""
    return {"dagster/asset_partition_range_start": leaves[0], "dagster/asset_partition_range_end": leaves[-1]}


def build_automation(line: Line) -> list[dg.SensorDefinition | dg.ScheduleDefinition]:
    """The sensor `<line>_leaves`, and `<line>_schedule` where the line has a schedule; both stopped until switched on."""
    return [_build_sensor(line), *([_build_schedule(line)] if line.schedule else [])]


def _build_sensor(line: Line) -> dg.SensorDefinition:
    name = leaves_name(line)

    @dg.sensor(
        name=name,
        job_name=line.name,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Keeps the partitions in step with the seeds: new and mended leaves come in, broken, refused and removed ones go. "
        "Fetches nothing: a leaf of which something was never fetched comes in with the next run, and goes with none.",
    )
    def leaves(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            survey = read_seeds(line, fetch=False)
        except FactoryError as error:
            return dg.SkipReason(str(error))
        known = context.instance.get_dynamic_partitions(name)
        new = [leaf for leaf in survey.leaves if leaf not in known]
        gone = sorted(leaf for leaf in known if leaf not in survey.leaves and not survey.may_come(leaf))
        for reason in survey.reasons:
            context.log.warning(reason)
        if not new and not gone:
            return dg.SkipReason(f"{len(known)} leaves, nothing new{f'; {len(survey.faults)} faults' if survey.faults else ''}")
        partitions = dg.DynamicPartitionsDefinition(name=name)
        requests = [partitions.build_add_request(new)] if new else []
        return dg.SensorResult(dynamic_partitions_requests=[*requests, *([partitions.build_delete_request(gone)] if gone else [])])

    return leaves


def _build_schedule(line: Line) -> dg.ScheduleDefinition:
    assert line.schedule is not None

    @dg.schedule(
        name=f"{line.name}_schedule",
        job_name=line.name,
        cron_schedule=line.schedule.cron,
        execution_timezone=line.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Makes the whole line in one run over all its leaves. What has not changed is reused.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            survey = sync_leaves(context.instance, line)
        except FactoryError as error:
            return dg.SkipReason(str(error))
        leaves = context.instance.get_dynamic_partitions(leaves_name(line))
        if not leaves:
            return dg.SkipReason(f"no leaf can be made: {'; '.join(survey.reasons)}")
        return dg.RunRequest(tags=range_tags(list(leaves)))

    return nightly
