"""What the assets of a line share: keys, leaves as partitions, groups, owners, and the switch that remakes what is stored."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from factory.line import Line
from factory.records import digest
from resources.keeper import digest_room
from resources.tracked_runs import Work

if TYPE_CHECKING:
    Outcome = dg.MaterializeResult[None]
else:
    Outcome = dg.MaterializeResult  # Dagster reads the annotation, and knows it by this class alone
"""What an asset gives back: its frame is stored already, so only metadata and check results."""

KINDS = {
    "seeds": {"python", "polars"},
    "generation": {"python", "huggingface", "polars"},
    "reward": {"python", "huggingface", "polars"},
    "validation": {"python", "polars"},
    "release": {"parquet", "polars"},
    "training": {"huggingface", "pytorch", "mlflow"},
}
"""Badges of an asset, by stage."""

FIRST_RUN_TAG = "factory/first_run"
"""Of several Dagster runs that are one run for a person, the id of the first: a budget is of them all."""

POLARS_TYPES = {"String": "string", "Boolean": "bool", "Int32": "int", "Int64": "int", "Float64": "float"}


class Remake(dg.Config):
    """How an asset is run."""

    refresh: bool = False
    """Make the frame anew even where nothing has changed. The ledger still keeps the teacher from being asked twice."""


def leaves_name(line: Line) -> str:
    """Name of the dynamic partitions that are the line's leaves."""
    return f"{line.name}_leaves"


def leaf_partitions(line: Line) -> dg.DynamicPartitionsDefinition:
    """The line's leaves as partitions, named by their paths in the taxonomy."""
    return dg.DynamicPartitionsDefinition(name=leaves_name(line))


def asset_key(line: Line, name: str) -> dg.AssetKey:
    """`<line>/<name>`."""
    return dg.AssetKey([line.name, name])


def name_work(line: Line, asset: str, run_id: str) -> Work:
    """An asset of the line in the Dagster run of that id, as MLflow is told of it."""
    return Work(line.name, asset, run_id, digest(line.model_dump(mode="json")))


def line_asset(
    line: Line, name: str, stage: str, columns: Mapping[str, Any], description: str, *, by_leaf: bool = False, **more: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """@dg.asset for an asset of `stage`, of one frame or, `by_leaf`, of one for each leaf; then many leaves are one run.

    `columns` are those of its frame; `more` goes to @dg.asset as it is.
    """
    if by_leaf:
        more |= {"partitions_def": leaf_partitions(line), "backfill_policy": dg.BackfillPolicy.single_run()}
    decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(**_describe(line, name, stage, columns, description), **more)
    return decorate


def specify_asset(line: Line, name: str, stage: str, columns: Mapping[str, Any], description: str, reads: Iterable[str]) -> dg.AssetSpec:
    """The same for one asset of a multi-asset, which `reads` others of the line."""
    return dg.AssetSpec(**_describe(line, name, stage, columns, description), deps=[asset_key(line, read) for read in reads])


def read_assets(line: Line, *names: str) -> dict[str, dg.AssetIn]:
    """`ins` of an asset whose parameters are called as the assets of the line that it reads."""
    return {name: dg.AssetIn(asset_key(line, name)) for name in names}


def _describe(line: Line, name: str, stage: str, columns: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {
        "key": asset_key(line, name),
        "description": description,
        "group_name": line.name,
        "owners": [line.owner] if line.owner else [],
        "kinds": KINDS[stage],
        "tags": {"factory/stage": stage},
        "code_version": digest_room(stage),
        "metadata": {"dagster/column_schema": describe_columns(columns)},
    }


def describe_columns(schema: Mapping[str, Any]) -> dg.TableSchema:
    """Columns of a frame for the Columns panel of an asset's page."""
    return dg.TableSchema([dg.TableColumn(name, POLARS_TYPES.get(str(kind), str(kind))) for name, kind in schema.items()])
