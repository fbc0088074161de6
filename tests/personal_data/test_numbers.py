"""The numbers of each country: found with the right checksum, in its own form or beside its name; not with a wrong one, not alone."""

from __future__ import annotations

import pytest

from factory.personal_data.find import find
from factory.personal_data.numbers import NUMBERS, Number

EXAMPLES = {
    "US_SSN": ("536-90-4399", "666-90-4399"),
    "US_ITIN": ("912-90-3456", "912-10-3456"),
    "UK_NHS": ("9434765870", "9434765871"),
    "UK_UTR": ("1955839661", "2955839661"),
    "IE_PPS": ("6433435F", "6433435E"),
    "DE_TAX_ID": ("36 574 261 809", "36 574 261 890"),
    "FR_NIR": ("2 95 10 99 126 111 93", "2 95 10 99 126 111 39"),
    "FR_NIF": ("3023217600053", "3023217600054"),
    "NL_BSN": ("111222333", "111252333"),
    "BE_NATIONAL_NUMBER": ("85.07.30-033.28", "85.07.30-033.29"),
    "AT_SVNR": ("1237 010180", "2237 010180"),
    "AT_TIN": ("59-119/9013", "59-119/9012"),
    "CH_AHV": ("756.9217.0769.85", "756.9217.0769.84"),
    "ES_NIF": ("54362315-K", "54362315-Z"),
    "ES_NIE": ("X-2482300W", "X-2482300A"),
    "PT_NIF": ("501 964 843", "501 964 842"),
    "PT_CC": ("00000000 0 ZZ4", "00000000 0 ZZ5"),
    "IT_FISCAL_CODE": ("RCCMNL83S18D969H", "RCCMNL83S18D969"),
    "GR_AMKA": ("01013099997", "01013099999"),
    "GR_AFM": ("094259216", "123456789"),
    "SE_PERSONNUMMER": ("880320-0016", "880320-0018"),
    "DK_CPR": ("211062-5629", "310262-5629"),
    "FI_PERSONAL_IDENTITY_CODE": ("131052-308T", "131052-308U"),
    "NO_FODSELSNUMMER": ("151086 95088", "151086 95077"),
    "IS_KENNITALA": ("120174-3399", "320174-3399"),
    "PL_PESEL": ("44051401359", "44051401358"),
    "PL_NIP": ("856-734-62-15", "856-734-62-16"),
    "CZ_SK_BIRTH_NUMBER": ("710319/2745", "710319/2746"),
    "RO_CNP": ("1630615123457", "1630615123458"),
    "BG_EGN": ("8032056031", "8032056030"),
    "HR_OIB": ("33392005961", "33392005962"),
    "SI_EMSO": ("0101006500006", "0101006500007"),
    "LT_ASMENS": ("33309240064", "33309240164"),
    "LV_PK": ("161175-19997", "161375-19997"),
    "EE_IK": ("36805280109", "36805280108"),
    "UA_RNTRC": ("1759013776", "1759013770"),
    "RU_INN": ("1234567894", "1234567895"),
    "TR_NATIONAL_ID": ("17291716060", "17291716050"),
    "IN_AADHAAR": ("2341 2341 2346", "2341 2341 2347"),
    "IN_PAN": ("ACUPA7085R", "ACUXA7085R"),
    "IN_VOTER": ("WKH1186253", "WKH1186263"),
    "ID_NIK": ("3171011708450001", "9971011708450001"),
    "ID_NPWP": ("01.312.166.0-091.000", "01.312.166.1-091.000"),
    "MY_NRIC": ("770305-02-1234", "771305-02-1234"),
    "TH_TNIN": ("1-2345-45678-78-1", "1-2345-45678-78-9"),
    "CN_RESIDENT_ID": ("360426199101010071", "360426199101010072"),
    "KR_RRN": ("971013-9019902", "971013-9019903"),
    "JP_MY_NUMBER": ("6214 9832 0257", "6214 9832 0258"),
    "PK_CNIC": ("34201-0891231-8", "94201-0891231-8"),
    "IL_ID": ("03933742-3", "03933742-4"),
    "CA_SIN": ("123-456-782", "999-999-999"),
    "MX_CURP": ("BOXW310820HNERXN09", "BOXW310820HNERXN08"),
    "BR_CPF": ("390.533.447-05", "390.533.447-06"),
    "AR_CUIT": ("20-05536168-2", "20-05536168-3"),
    "CL_RUT": ("12.531.909-2", "12.531.909-3"),
    "ZA_ID_NUMBER": ("7503305044089", "8503305044089"),
    "AU_TFN": ("123 456 782", "999 999 999"),
    "PASSPORT": ("K1234567", "KKKKKKK7"),
    "DRIVER_LICENSE": ("D123-4567-8901", "DDDD"),
}
"""By type a right number, mostly of python-stdnum's documentation, and one that is wrong in its checksum, date, region or form."""


def test_every_number_has_an_example() -> None:
    assert {number.type for number in NUMBERS} == set(EXAMPLES)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.type)
def test_a_right_number_beside_its_name_is_found_and_a_wrong_one_is_not(number: Number) -> None:
    name = number.names.split("|")[0].strip("*")
    right, wrong = EXAMPLES[number.type]
    text = f"{name}: {right}"
    (found,) = [each for each in find(text) if each.type == number.type]
    assert text[found.start : found.end] == right
    assert number.type not in {each.type for each in find(f"{name}: {wrong}")}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.type)
def test_digits_alone_are_no_number_of_anybody(number: Number) -> None:
    digits = "".join(filter(str.isdigit, EXAMPLES[number.type][0])).lstrip("0")
    # China's has region, date and checksum in its 18 digits: that is form enough.
    expected = ["CN_RESIDENT_ID"] if number.type == "CN_RESIDENT_ID" else []
    assert [each.type for each in find(f"The sum is {digits} in all.")] == expected
