"""Reads the YAML spec of a table, and finds what in it does not fit the table's columns or the metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from factory.faults import Fault
from factory.spec_faults import read_spec, suggest
from factory.validation.gates import list_default_gates
from factory.validation.reports import METRICS
from factory.validation_spec import TableSpec
from factory.yaml_source import YamlSource


def read_table_spec(file: Path | None, columns: Collection[str] | None = None, elsewhere: Collection[str] = ()) -> TableSpec:
    """The spec in `file`, or the one that says nothing. `columns`: those of the real table, None where they are not known; `elsewhere`:
    those of the other tables, which it may ignore.

    Raises InputFaults with every fault, each with its line and column.
    """
    if file is None:
        return TableSpec()
    keys = ", ".join(TableSpec.model_fields)
    return read_spec(file, "spec", TableSpec, keys, lambda source, spec: _find_faults(source, spec, columns, elsewhere))


def _find_faults(source: YamlSource, spec: TableSpec, columns: Collection[str] | None, elsewhere: Collection[str]) -> Iterator[Fault]:
    if columns is not None:
        yield from _find_column_faults(source, spec, columns, elsewhere)
    known = [key for key, each in METRICS.items() if each.of == "columns"]
    for key, gate in spec.gates.items():
        if key not in known:
            yield source.fault(("gates", key), f"no metric of tables is called so; {suggest(key, known)}", at_key=True)
        elif METRICS[key].direction not in ("info", gate.side):
            better, other = ("low", "max") if METRICS[key].direction == "max" else ("high", "min")
            yield source.fault(("gates", key), f"is better when {better}, so its gate needs {other!r}, not {gate.side!r}")
    gates = list_default_gates("columns").keys() | spec.gates.keys()
    for place, waiver in enumerate(spec.waivers):
        if waiver.gate not in gates:
            yield source.fault(("waivers", place, "gate"), f"{waiver.gate!r} is no gate; {suggest(waiver.gate, gates)}")


def _find_column_faults(source: YamlSource, spec: TableSpec, columns: Collection[str], elsewhere: Collection[str]) -> Iterator[Fault]:
    for name in spec.kinds:
        if name not in columns:
            yield source.fault(("kinds", name), f"the real table has no such column; {suggest(name, columns)}", at_key=True)
        elif name in spec.ignore:
            yield source.fault(("kinds", name), "is ignored, so it needs no kind; take one of the two away", at_key=True)
    # That an ignored column is nowhere is a slip of the pen that would leave the identifier compared.
    for place, name in enumerate(spec.ignore):
        if name not in {*columns, *elsewhere}:
            yield source.fault(("ignore", place), f"no table has a column {name!r}; {suggest(name, columns)}")
    for role, names in spec.roles.items():
        for place, name in enumerate(names):
            path = (role,) if role == "target" else (role, place)
            if name not in columns:
                yield source.fault(path, f"the real table has no column {name!r}; {suggest(name, columns)}")
            elif name in spec.ignore:
                yield source.fault(path, f"{name!r} is ignored; take it off the one list or the other")
    for place, name in enumerate(spec.sensitive):
        if name in spec.quasi_identifiers:
            yield source.fault(("sensitive", place), f"{name!r} is a quasi-identifier, too: what an intruder knows cannot be kept from him")
    if set(columns) <= set(spec.ignore):
        yield source.fault(("ignore",), "all columns are ignored: nothing is left to compare")
