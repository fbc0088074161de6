"""Whether what a line's student was trained on lets it become champion: its releases with their gates, and the mix with its checks."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame
from assets.layout import asset_key
from assets.mixing import check_bounds, name_mix
from factory.line import Line
from factory.training import Standing, examine_releases
from resources.home import find_home


def examine_standing(line: Line, student: dict[str, Any], mix: pl.DataFrame) -> Standing:
    """The standing of a `student` (a row of students.STUDENT), read anew: in Dagster's pages one may make it after a check has failed."""
    if name_mix(mix) != student["mix"]:
        return Standing(obstacles=("it was trained on another mix than the present one: make the student and its evaluation anew",))
    key = asset_key(line, "training_mix")
    checked = [*check_frame(key, mix), *check_bounds(key, line.mixing, mix)]
    failed = [check for check in checked if not check.passed]
    standing = Standing(
        obstacles=tuple(_tell(check) for check in failed if check.severity == dg.AssetCheckSeverity.ERROR),
        notes=tuple(_tell(check) for check in failed if check.severity != dg.AssetCheckSeverity.ERROR),
    )
    shelf = find_home().releases / line.name
    versions = sorted({student["release"], *mix["release"].drop_nulls()})
    return standing + examine_releases([shelf / version for version in versions], line.validation, datetime.now(UTC).date())


def _tell(check: dg.AssetCheckResult) -> str:
    return f"check {check.check_name} of the mix failed: {check.description}"
