"""What the tuned student gives away of the texts behind it, measured with its evaluation."""

from typing import Any

import polars as pl

from assets.champion import student_name
from assets.layout import asset_key
from assets.pages import show_floats, show_table
from assets.trained_on import find_trained_on
from factory.line import Line
from factory.pico.models import identify_model
from factory.records import CANARY
from factory.training import EXPOSURE, MEMBERSHIP, attack_student, measure_exposure, take_records
from resources.keeper import Keeper, Kept, Made, take_fingerprint

LEAKS = ("membership", "exposure")
"""Parts of the evaluation that attacks give."""

ATTACKED: dict[str, Any] = {"model": pl.String} | MEMBERSHIP
"""MEMBERSHIP by model: "base" or "tuned"."""


def keep_leaks(
    line: Line, keeper: Keeper, student: pl.DataFrame, seeds: pl.DataFrame, mix: pl.DataFrame, *, refresh: bool
) -> dict[str, Kept]:
    """What the attacks achieve, by the name of the part of the evaluation that holds it, kept as long as models and texts stay the same.

    Members of "release" are the records of the mix that a supervised phase of the student read; the others are counted as `left_out`, a
    fact of "membership". Of a student that did not keep what it read, all are taken for members, and the count is null.
    """
    key = asset_key(line, "evaluation")
    tuned = student["model"][0]
    models = {"base": line.training.student, "tuned": tuned}
    seeds = seeds.drop("source")
    mixed = mix.filter(pl.col("origin") != "real").select("record_id", "instruction", "context", "response", "turns")
    trained_on = find_trained_on(keeper.store, asset_key(line, student_name(line.training.plan[-1])), student)
    records = mixed if trained_on is None else take_records(mixed, trained_on)
    left_out = None if trained_on is None else mixed.height - records.height
    canaries = seeds.filter(pl.col("kind") == CANARY)
    attacked = take_fingerprint(["training"], [*map(identify_model, models.values()), left_out], [seeds, records])
    exposed = take_fingerprint(["training"], [identify_model(tuned), line.seed], [canaries])

    def attack() -> Made:
        frames = [attack_student(model, seeds, records).with_columns(model=pl.lit(name)) for name, model in models.items()]
        return Made(pl.concat(frames).select(list(ATTACKED)), {"left_out": left_out})

    return {
        "membership": keeper.keep(key, "membership", attacked, attack, refresh=refresh),
        "exposure": keeper.keep(key, "exposure", exposed, lambda: Made(measure_exposure(tuned, canaries, line.seed)), refresh=refresh),
    }


def name_leaks(leaks: dict[str, Kept]) -> dict[str, float]:
    """Figures by name: '<model>_membership_<members>_<attack>' is an AUC, of canaries the greatest exposure in bits, and how many records
    of the mix are no members, as no supervised phase read them."""
    figures = {
        f"{row['model']}_membership_{row['members']}_{row['attack']}": float(row["auc"])
        for row in leaks["membership"].frame.iter_rows(named=True)
    }
    greatest = leaks["exposure"].frame.select(pl.max("exposure", "fitted")).row(0)
    figures |= show_floats({"membership_left_out": leaks["membership"].facts["left_out"]})
    return figures | show_floats(dict(zip(("canary_exposure", "canary_exposure_fitted"), greatest, strict=True)))


def show_leaks(leaks: dict[str, Kept]) -> dict[str, Any]:
    """The tables of the evaluation's page; none of canaries where none was planted."""
    shown = {"membership": show_table(leaks["membership"].frame, list(ATTACKED), rows=leaks["membership"].frame.height)}
    exposure = leaks["exposure"].frame
    return shown | ({"exposure": show_table(exposure, list(EXPOSURE), rows=exposure.height)} if exposure.height else {})
