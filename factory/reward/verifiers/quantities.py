"""Reads a number with its unit as a person may write it: separators in English or Indonesian style, fractions, percentages, units.

A table of units, and not the library pint: pint reads "3 cat" as centi-technical-atmospheres and "5 a" as years, knows no Indonesian name,
and takes a second to load.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from factory.reward.verifiers.reading import unify_form

Decimal = Literal[".", ","]

_UNITS: Final = {
    "length": (
        ("1/1000", "mm millimetre millimetres millimeter millimeters milimeter"),
        ("1/100", "cm centimetre centimetres centimeter centimeters sentimeter"),
        ("1", "m metre metres meter meters"),
        ("1000", "km kilometre kilometres kilometer kilometers"),
        ("0.0254", "in inch inches inci"),
        ("0.3048", "ft foot feet"),
        ("0.9144", "yd yard yards"),
        ("1609.344", "mi mile miles"),
    ),
    "mass": (
        ("1/1000", "mg milligram milligrams miligram"),
        ("1", "g gram grams"),
        ("1000", "kg kilogram kilograms kilo kilos"),
        ("1000000", "t tonne tonnes"),
        ("28.349523125", "oz ounce ounces"),
        ("453.59237", "lb lbs pound pounds"),
    ),
    "time": (
        ("1/1000", "ms millisecond milliseconds milidetik"),
        ("1", "s sec secs second seconds detik"),
        ("60", "min mins minute minutes menit"),
        ("3600", "h hr hrs hour hours jam"),
        ("86400", "day days hari"),
        ("604800", "week weeks minggu"),
    ),
    "calendar": (("1", "month months bulan"), ("12", "year years tahun")),
    "volume": (
        ("1/1000", "ml mL millilitre millilitres milliliter milliliters mililiter"),
        ("1/100", "cl cL centilitre centilitres"),
        ("1", "l L litre litres liter liters"),
        ("1000", "m3 m³"),
        ("1/1000", "cm3 cm³"),
    ),
    "area": (("1/10000", "cm2 cm²"), ("1", "m2 m²"), ("10000", "ha hectare hectares hektare hektar"), ("1000000", "km2 km²")),
    "speed": (("1", "m/s"), ("5/18", "km/h km/jam kph"), ("0.44704", "mph")),
    "share": (("1/100", "% percent persen"),),
    "temperature": (("1", "kelvin"), ("1", "°C celsius"), ("5/9", "°F fahrenheit")),
}
_KNOWN: Final = {name: (kind, Fraction(size)) for kind, units in _UNITS.items() for size, names in units for name in names.split()}
_ZERO: Final = {
    **dict.fromkeys(("°C", "celsius"), Fraction("273.15")),
    **dict.fromkeys(("°F", "fahrenheit"), Fraction("459.67") * 5 / 9),
}
"""Kelvins at 0."""
_ANY_CASE: Final = ("kg", "km", "cm")
"""Symbols that no other unit is written like, whatever the case."""

_GROUPED: Final = r"(?:[1-9][0-9]{0,2}(?:GROUP[0-9]{3}){1,12}|[0-9]{1,40})(?:POINT[0-9]{1,40})?|POINT[0-9]{1,40}"
_SPOKEN: Final = {
    mark: re.compile(_GROUPED.replace("GROUP", group).replace("POINT", point))
    for mark, group, point in ((".", ",", r"\."), (",", r"\.", ","))
}
_SPACED: Final = re.compile(r"(?<![0-9.,/])[1-9][0-9]{0,2}(?: [0-9]{3}){1,12}(?! ?[0-9/])")
_PLAIN: Final = r"[0-9][0-9.,]*|[.,][0-9]+"
_QUANTITY: Final = re.compile(
    rf"(?P<sign>[-+]?) ?(?P<money>[$€£¥]|Rp\.?|IDR|USD)? ?"
    rf"(?:(?:(?P<whole>[0-9]{{1,40}}) )?(?P<over>[0-9]{{1,40}}) ?/ ?(?P<under>[0-9]{{1,40}})"
    rf"|(?P<number>{_PLAIN})(?: ?[×x*] ?10\^(?P<power>[-+]?[0-9]{{1,2}})|[eE](?P<short>[-+]?[0-9]{{1,2}}))?)"
    rf"(?: ?(?P<unit>[^\W\d_][^\d.,;:=<>]{{0,40}}?[23²³]?|%|°[CF]))?"
)
_POWER: Final = re.compile("(?<=10)[⁻⁺]?[⁰¹²³⁴-⁹]+")
_LETTERS_OF_A_SYMBOL: Final = 2
"""Of a unit in so many letters the case counts: mg is no Mg, and MB no Mb."""
_BARE: Final = str.maketrans({"−": "-", "–": "-", "⁄": "/", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "℃": "°C", "℉": "°F"})


@dataclass(frozen=True)
class Quantity:
    """A number, and its unit as it is written; empty for none."""

    value: Fraction
    unit: str = ""


def read_quantity(text: str, decimal: Decimal | None = None) -> list[Quantity]:
    """Every reading of `text` as one quantity and nothing else: none, one, or two where "1.234" may be English or Indonesian.

    `decimal` is the sign before decimals, where it is known.
    """
    found = _QUANTITY.fullmatch(_flatten(text))
    if found is None or (found["money"] and found["unit"]):
        return []
    sign = -1 if found["sign"] == "-" else 1
    unit = (found["money"] or found["unit"] or "").strip()
    if found["under"]:
        if int(found["under"]) == 0:
            return []
        return [Quantity(sign * (int(found["whole"] or 0) + Fraction(int(found["over"]), int(found["under"]))), unit)]
    scale = Fraction(10) ** int(found["power"] or found["short"] or 0)
    return [Quantity(sign * value * scale, unit) for value in _read_number(found["number"], decimal)]


def same_quantity(given: Quantity, wanted: Quantity, unit: str, tolerance: Fraction, relative: Fraction) -> bool | None:
    """Whether two quantities are the same within `tolerance`, or a share `relative` of the wanted one, both in the wanted one's unit.

    A number without a unit has `unit`. None where it cannot be told: one has a unit and the other none, or a unit is not known.
    """

    def near(value: Fraction) -> bool:
        return abs(value - wanted.value) <= max(tolerance, relative * abs(wanted.value))

    here, there = given.unit or unit, wanted.unit or unit
    if _plain(here) == _plain(there):
        return near(given.value)
    if here in _KNOWN and there in _KNOWN:
        kinds = {_KNOWN[here][0], _KNOWN[there][0]}
        # A month is no fixed number of days.
        return None if kinds == {"time", "calendar"} else len(kinds) == 1 and near(_convert(given.value, here, there))
    if {here, there} <= {"", *(name for name, (kind, _) in _KNOWN.items() if kind == "share")}:
        # 0.75 is 75 %; but 75 may be meant for 75 %.
        if near(given.value * (_KNOWN[here][1] if here else 1) / (_KNOWN[there][1] if there else 1)):
            return True
        return None if near(given.value) else False
    return None


def _flatten(text: str) -> str:
    """One line in NFKC; `1½` as `1 1/2`, `1 234 567` (ISO 80000-1) without its spaces."""
    spaced = re.sub(r"(?<=[0-9])(?=[¼-¾⅐-⅞])", " ", text.translate(_BARE))
    powers = _POWER.sub(lambda power: "^" + unicodedata.normalize("NFKC", power[0]), spaced)
    line = " ".join(unify_form(powers).translate(_BARE).split()).removesuffix(".")
    return _SPACED.sub(lambda grouped: grouped[0].replace(" ", ""), line)


def _read_number(text: str, decimal: Decimal | None) -> list[Fraction]:
    readings = []
    for mark, form in _SPOKEN.items():
        if (decimal is None or mark == decimal) and form.fullmatch(text):
            readings.append(Fraction(text.replace("," if mark == "." else ".", "").replace(",", ".")))
    return list(dict.fromkeys(readings))


def _plain(unit: str) -> str:
    """A unit that is in no table, such as the thing that is counted, in one number and case; kg for Kg and KG."""
    folded = unit.casefold()
    if unit in _KNOWN or (len(unit) <= _LETTERS_OF_A_SYMBOL and folded not in _ANY_CASE):
        return unit
    return folded.removesuffix("s") if folded not in _KNOWN else folded


def _convert(value: Fraction, here: str, there: str) -> Fraction:
    return (value * _KNOWN[here][1] + _ZERO.get(here, 0) - _ZERO.get(there, 0)) / _KNOWN[there][1]
