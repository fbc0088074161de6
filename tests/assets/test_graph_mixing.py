"""What is mixed into training, told in a sentence, and the checks that keep a mix from being read that the line does not ask for."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from assets.mixing import check_bounds, describe_mix, is_mixed, specify_bounds
from factory.mixing_spec import MixingSpec
from factory.records import MIXED


def test_what_is_mixed_is_told_and_a_bare_release_is_not() -> None:
    def rows(*origins: str, times: int = 1) -> pl.DataFrame:
        return pl.DataFrame(
            [dict.fromkeys(MIXED) | {"origin": each, "depth": 1, "words": 5, "times": times} for each in origins], schema=MIXED
        )

    def left_out(origin: str, reason: str) -> dict[str, Any]:
        return {"left_out": [{"origin": origin, "reason": reason, "records": 7, "words": 35}]}

    assert not is_mixed(rows("release"), {"left_out": []}) and not is_mixed(rows("release"), left_out("earlier", "duplicate"))
    assert is_mixed(rows("release", "earlier"), {"left_out": []}) and is_mixed(rows("release"), left_out("release", "too_little_real"))
    told = describe_mix(rows("release", "earlier", "earlier"), left_out("earlier", "duplicate"))
    assert told == "1 records of the release, 2 of earlier ones; 0.0% of the words real; 0 left out"
    assert "2 real examples 3 times" in describe_mix(rows("real", "real", times=3), left_out("release", "too_little_real"))


def test_a_mix_that_is_not_what_the_line_asks_for_is_read_by_nothing() -> None:
    rows = [dict.fromkeys(MIXED) | {"depth": depth, "words": 5, "times": 1} for depth in (0, 1, 2)]
    frame, made = pl.DataFrame(rows, schema=MIXED), []
    key = dg.AssetKey(["tiny", "training_mix"])

    def run(spec: MixingSpec) -> set[str]:
        @dg.asset(key=key, check_specs=specify_bounds(key, spec))
        def mix() -> dg.MaterializeResult:
            return dg.MaterializeResult(check_results=check_bounds(key, spec, frame))

        @dg.asset(deps=[key])
        def after() -> None:
            made.append(spec)

        result = dg.materialize([mix, after], raise_on_error=False)
        return {each.check_name for each in result.get_asset_check_evaluations() if not each.passed}

    assert run(MixingSpec(least_real_share=0.34)) == {"real_share"}
    assert run(MixingSpec(greatest_depth=1)) == {"depth"}
    assert not made
    assert run(MixingSpec(least_real_share=0.33, greatest_depth=2)) == set() and len(made) == 1
