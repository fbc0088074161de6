"""`factory validate`: a synthetic table against the real one, its gates, its card; no home and no graph are needed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from factory.faults import FactoryError
from factory.validation.columns.reading import ReadTable

CARD, MARKDOWN, METRICS_FILE, GATES_FILE = "card.html", "card.md", "metrics.parquet", "gates.json"


def validate_table(real: Path, synthetic: Path, holdout: Path | None, spec: Path | None, out: Path | None) -> bool:
    """Reads, measures, decides and writes, telling each step; whether every gate that blocks passed or was waived.

    `out`: the folder that is written into, by default `<name of the synthetic file>-validation` beside it. Raises InputFaults with every
    fault of the input, before anything is written.
    """
    from assets.console import OUT
    from assets.status import draw_gates
    from factory.release.table_card import write_table_card
    from factory.validation.columns.reading import read_table
    from factory.validation.gates import decide_gates, failed_gates
    from factory.validation.reports import REPORTS, measure_report

    def tell(text: str, style: str = "") -> None:
        OUT.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    table = read_table(real, synthetic, holdout, spec)
    for told in _tell_table(table):
        tell(told)
    for notice in table.notices:
        tell(f"  {_show(notice)}", "yellow")
    parts = []
    for report in REPORTS:
        parts.append(measure_report(report, table.columns))
        if parts[-1].height:
            tell(f"{report:<10} {parts[-1]['metric'].n_unique()} metrics, {parts[-1].height:,} values")
    gates = decide_gates(pl.concat(parts), table.spec, datetime.now(UTC).date(), of="columns")
    folder = out or synthetic.parent / f"{synthetic.name.split('.')[0] or 'table'}-validation"
    _write_tables(folder, gates)
    card = write_table_card(folder, table, gates, synthetic.name)
    OUT.print(draw_gates(gates))
    failed = failed_gates(gates).height
    for told in _tell_end(gates, failed, folder, card, given=holdout is not None):
        tell(told)
    return failed == 0


def _write_tables(folder: Path, gates: pl.DataFrame) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FactoryError(f"{folder} cannot be made: {error.strerror}. Name a folder with --out.") from None
    gates.write_parquet(folder / METRICS_FILE)
    decided = [row for row in gates.iter_rows(named=True) if row["threshold"] is not None]
    written = json.dumps(decided, indent=2, ensure_ascii=False, default=str, allow_nan=False)
    (folder / GATES_FILE).write_text(written + "\n", encoding="utf-8")


def _tell_table(table: ReadTable) -> Iterator[str]:
    for file in table.files:
        yield f"{file.role:<10} {file.rows:,} row{'' if file.rows == 1 else 's'}  {_show(file.name)}"
    kinds = table.columns.kinds.values()
    counts = {kind: list(kinds).count(kind) for kind in dict.fromkeys(kinds)}
    yield f"{'columns':<10} {', '.join(f'{count} {kind}' for kind, count in counts.items())}"


def _tell_end(gates: pl.DataFrame, failed: int, folder: Path, card: Path, *, given: bool) -> Iterator[str]:
    decided = gates.filter(pl.col("threshold").is_not_null())
    passed, waived = int(decided["passed"].sum()), int(decided["waived_by"].count())
    others = {"waived": waived, "only warned of": decided.height - passed - waived - failed, "failed": failed}
    told = ", ".join([f"{passed} of {decided.height} gates passed", *(f"{count} {what}" for what, count in others.items() if count)])
    yield f"\n{told}."
    yield f"card       {card}"
    yield f"values     {folder / METRICS_FILE}"
    yield f"gates      {folder / GATES_FILE}"
    if failed:
        yield "\nMend the table, or move a threshold or waive a gate by name and with a reason in the spec (--spec, docs/validation.md)."
    elif not given:
        yield "\nNext: give real rows that the generator has not seen with --holdout, and privacy is measured against them."
    else:
        yield f"\nNext: open the card. It says what the gates do not show. {MARKDOWN} beside it is for a repository."


def _show(text: str) -> str:
    from factory.release.visible import make_visible

    return make_visible(text)
