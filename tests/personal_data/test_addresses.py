"""Postal addresses by their form: found in the forms of many countries, and not where a number stands beside any name."""

from __future__ import annotations

import pytest

from factory.personal_data.find import find


def addresses_in(text: str) -> list[str]:
    return [text[each.start : each.end] for each in find(text) if each.type == "STREET_ADDRESS"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("She lives at 742 Evergreen Terrace, Springfield, OR 97475.", "742 Evergreen Terrace, Springfield, OR 97475"),
        ("Send it to 221B Baker Street, please", "221B Baker Street"),
        ("Office: 1600 N. 23rd Ave., Suite 12", "1600 N. 23rd Ave., Suite 12"),
        ("J'habite 12 rue de la Paix depuis mai", "12 rue de la Paix"),
        ("Abita in Via Garibaldi 14, Torino", "Via Garibaldi 14"),
        ("Vive en Calle Mayor, 25", "Calle Mayor, 25"),
        ("Moro na Rua do Arenque 1634", "Rua do Arenque 1634"),
        ("Alamatnya Jl. Jenderal Sudirman No. 52 di Jakarta", "Jl. Jenderal Sudirman No. 52"),
        ("Er wohnt in der Hauptstraße 12a.", "Hauptstraße 12a"),
        ("Sie wohnt in der Villacher Strasse 89", "Villacher Strasse 89"),
        ("Hij woont op de Keizersgracht 174", "Keizersgracht 174"),
        ("Hon bor på Storgatan 7", "Storgatan 7"),
        ("Bor på hersnapvej 18, Køge", "hersnapvej 18"),
        ("Kossuth Lajos utca 5, Szeged", "Kossuth Lajos utca 5"),
        ("25615 Tawastintie 72 Apt. 004", "25615 Tawastintie 72 Apt. 004"),
        ("Write to P.O. Box 4410", "P.O. Box 4410"),
    ],
)
def test_an_address_is_found_in_the_form_of_its_country(text: str, address: str) -> None:
    assert addresses_in(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "Katie 5 apples, Tom 3 apples",
        "In 1994 the Supreme Court of 12 judges met",
        "The 1994 U.S. Supreme Court",
        "5 boxes, 3 Big Drives and 2 Roads",
        "Brigade 7 came via Rome in 1912.",
        "He ran 12 laps on Monday and drove 40 miles down the road",
        "Rue the day! 12 days later she came.",
        "Step 3: go via Bandung, 25 km",
        "$12 Main Street fare",
    ],
)
def test_a_number_beside_a_name_is_no_address(text: str) -> None:
    assert addresses_in(text) == []
