"""Numbers that countries give to people, with the validator of each: those of the EU, and of the largest countries elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY = r"(?:0[1-9]|[12]\d|3[01])"
MONTH = r"(?:0[1-9]|1[0-2])"


def digits(count: int) -> str:
    """So many digits, run together or with one space, dot, hyphen or slash between any two."""
    return rf"\d(?:[ .\-/]?\d){{{count - 1}}}"


@dataclass(frozen=True)
class Number:
    """A kind of number. `written` is a form that hardly anything else has; `bare` is one that any number may have, or "" for none.

    `validator` is a module of python-stdnum, which knows checksum, birth date and region; None where the number has nothing to check.
    `names` are what people call it, in whatever language they write; `group` is that of its general words (factory.personal_data.words).
    """

    type: str
    validator: str | None
    names: str
    bare: str = ""
    written: str = ""
    group: str = "identity"


NUMBERS: Final = (
    # United States, United Kingdom, Ireland
    Number("US_SSN", "us.ssn", "ssn|social security|social security number|soc sec", digits(9), r"\d{3}([- ])\d{2}\1\d{4}"),
    Number("US_ITIN", "us.itin", "itin|individual taxpayer", digits(9), r"9\d{2}-\d{2}-\d{4}", "tax"),
    Number("UK_NHS", "gb.nhs", "nhs|nhs number|nhs no", digits(10)),
    Number("UK_UTR", "gb.utr", "utr|unique taxpayer", r"\d{5} ?\d{5}", group="tax"),
    Number("IE_PPS", "ie.pps", "pps|ppsn|pps number|pps no", r"\d{7} ?[A-W][A-IW]?"),
    # Germany, France, the Benelux, Austria, Switzerland
    Number(
        "DE_TAX_ID",
        "de.idnr",
        "steuer-id|steuerid|idnr|steuer-idnr|steueridentifikationsnummer|steuer-identifikationsnummer",
        digits(11),
        group="tax",
    ),
    Number(
        "FR_NIR",
        "fr.nir",
        "nir|insee|numéro de sécu*",
        digits(13) + r"(?:[ .\-/]?\d){2}|[12] ?\d\d ?\d\d ?2[AB] ?\d{3} ?\d{3} ?\d\d",
        rf"[12] \d\d (?:{MONTH}|[2-9]\d) (?:\d\d|2[AB]) \d{{3}} \d{{3}} ?\d\d",
    ),
    Number("FR_NIF", "fr.nif", "nif|spi|numéro spi", digits(13), group="tax"),
    Number("NL_BSN", "nl.bsn", "bsn|burgerservicenummer|sofinummer|sofi-nummer|bsn-nummer", digits(9)),
    Number(
        "BE_NATIONAL_NUMBER",
        "be.nn",
        "rijksregisternummer|registre national|nationalregisternummer|insz|niss|rrn",
        digits(11),
        r"\d\d\.\d\d\.\d\d-\d{3}[.-]\d\d",
    ),
    Number("AT_SVNR", "at.vnr", "svnr|sv-nummer|sv-nr|sozialversicherungsnummer|versicherungsnummer", rf"\d{{4}}[ -]?{DAY}{MONTH}\d\d"),
    Number("AT_TIN", "at.tin", "abgabenkontonummer|steuernummer", digits(9), r"\d\d-\d{3}/\d{4}", "tax"),
    Number("CH_AHV", "ch.ssn", "ahv|avs|ahv-nummer|ahv-nr|oasi", digits(13), r"756\.\d{4}\.\d{4}\.\d\d"),
    # Spain, Portugal, Italy, Greece
    Number("ES_NIF", "es.dni", "dni|nif|d.n.i", written=r"\d{8}[ -]?[A-HJ-NP-TV-Z]"),
    Number("ES_NIE", "es.nie", "nie|extranjero", written=r"[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]"),
    Number("PT_NIF", "pt.nif", "nif|nº contribuinte", digits(9), group="tax"),
    Number("PT_CC", "pt.cc", "cartão de cidadão|cartao de cidadao|nic", written=r"\d{8} ?\d ?[A-Z][A-Z0-9]\d"),
    Number(
        "IT_FISCAL_CODE",
        "it.codicefiscale",
        "codice fiscale|c.f",
        written=r"[A-Z]{6}[\dL-NP-V]{2}[A-EHLMPRST][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z]",
        group="tax",
    ),
    Number("GR_AMKA", "gr.amka", "amka|αμκα|α.μ.κ.α", digits(11)),
    Number("GR_AFM", "gr.vat", "afm|αφμ|α.φ.μ", digits(9), group="tax"),
    # The north
    Number(
        "SE_PERSONNUMMER",
        "se.personnummer",
        "personnummer|samordningsnummer|pnr",
        written=rf"(?:19|20)?\d\d{MONTH}(?:{DAY}|[6-9]\d)[-+]\d{{4}}",
    ),
    Number("DK_CPR", "dk.cpr", "cpr|cpr-nr|cpr-nummer|cpr-nummeret", rf"{DAY}{MONTH}\d\d[- ]?\d{{4}}"),
    Number("FI_PERSONAL_IDENTITY_CODE", "fi.hetu", "hetu|henkilötunnus", written=rf"{DAY}{MONTH}\d\d[-+A-FU-Y]\d{{3}}[0-9A-FHJ-NPR-Y]"),
    Number("NO_FODSELSNUMMER", "no.fodselsnummer", "fødselsnummer|personnummer|fnr", rf"(?:{DAY}|[4-7]\d){MONTH}\d\d ?\d{{5}}"),
    Number("IS_KENNITALA", "is_.kennitala", "kennitala|kt", r"\d{6}-?\d{4}"),
    # The east of the EU
    Number("PL_PESEL", "pl.pesel", "pesel", digits(11)),
    Number("PL_NIP", "pl.nip", "nip", digits(10), r"\d{3}-\d{3}-\d\d-\d\d", "tax"),
    Number("CZ_SK_BIRTH_NUMBER", "cz.rc", "rodné číslo|rodne cislo|rodného čísla|rč|r.č", r"\d{9,10}", r"\d{6}/\d{3,4}"),
    Number("RO_CNP", "ro.cnp", "cnp|cod numeric personal", digits(13)),
    Number("BG_EGN", "bg.egn", "егн|egn|единен граждански номер", digits(10)),
    Number("HR_OIB", "hr.oib", "oib", digits(11)),
    Number("SI_EMSO", "si.emso", "emšo|emso|jmbg", digits(13)),
    Number("LT_ASMENS", "lt.asmens", "asmens kodas|asmens kodą", digits(11)),
    Number("LV_PK", "lv.pvn", "personas kods|personas kodu", r"\d{6}-?\d{5}"),
    Number("EE_IK", "ee.ik", "isikukood|isikukoodi", digits(11)),
    Number("UA_RNTRC", "ua.rntrc", "рнокпп|іпн|ипн|rntrc", digits(10), group="tax"),
    Number("RU_INN", "ru.inn", "инн|inn", r"\d{10}(?:\d\d)?", group="tax"),
    Number("TR_NATIONAL_ID", "tr.tckimlik", "tckn|tc kimlik|t.c. kimlik|tc no|kimlik no", digits(11)),
    # India, Indonesia, and the rest of Asia
    Number("IN_AADHAAR", "in_.aadhaar", "aadhaar|aadhar|adhaar|आधार|uidai", digits(12)),
    Number(
        "IN_PAN", "in_.pan", "pan|pan card|permanent account number|पैन", written=r"(?-i:[A-Z]{3}[ABCFGHJLPTK][A-Z]\d{4}[A-Z])", group="tax"
    ),
    Number("IN_VOTER", "in_.epic", "epic|voter id|voter card|voter's id", r"[A-Z]{3}\d{7}"),
    Number("ID_NIK", "id.nik", "nik|ktp|no. ktp|nomor induk kependudukan|e-ktp|kitas", digits(16), r"\d\d\.?\d{4}\.\d{6}\.\d{4}"),
    Number(
        "ID_NPWP",
        "id.npwp",
        "npwp|nomor pokok wajib pajak",
        digits(15) + r"(?:[ .\-/]?\d)?",
        r"\d?\d{2}\.\d{3}\.\d{3}\.\d-\d{3}\.\d{3}",
        "tax",
    ),
    Number("MY_NRIC", "my.nric", "nric|mykad|no. kp|kad pengenalan", r"\d{12}", r"\d{6}-\d\d-\d{4}"),
    Number("TH_TNIN", "th.pin", "เลขประจำตัวประชาชน|เลขบัตรประชาชน", digits(13), r"\d-\d{4}-\d{5}-\d\d-\d"),
    Number(
        "CN_RESIDENT_ID", "cn.ric", "*身份证*|*身份證*|resident identity", written=rf"[1-9]\d{{5}}(?:19|20)\d\d{MONTH}{DAY}\d{{3}}[\dX]"
    ),
    Number("KR_RRN", "kr.rrn", "rrn|*주민등록번호*|resident registration", r"\d{13}", rf"\d\d{MONTH}{DAY}-\d{{7}}"),
    Number("JP_MY_NUMBER", "jp.in_", "my number|*マイナンバー*|*個人番号*", digits(12)),
    Number("PK_CNIC", "pk.cnic", "cnic|nicop", r"\d{13}", r"\d{5}-\d{7}-\d"),
    Number("IL_ID", "il.idnr", "teudat zehut|תעודת זהות|מספר זהות", r"\d{9}|\d{8}-\d"),
    # The Americas, Africa, Australia
    Number("CA_SIN", "ca.sin", "social insurance|sin number|sin card|numéro d'assurance sociale", digits(9)),
    Number("MX_CURP", "mx.curp", "curp", written=rf"[A-Z]{{4}}\d\d{MONTH}{DAY}[HMX][A-Z]{{5}}[A-Z0-9]\d"),
    Number("BR_CPF", "br.cpf", "cpf", digits(11), r"\d{3}\.\d{3}\.\d{3}-\d\d", "tax"),
    Number("AR_CUIT", "ar.cuit", "cuit|cuil", digits(11), r"\d\d-\d{8}-\d", "tax"),
    Number("CL_RUT", "cl.rut", "rut|rol único", r"\d{7,8}-?[\dK]", r"\d{1,2}\.\d{3}\.\d{3}-[\dK]"),
    Number("ZA_ID_NUMBER", "za.idnr", "sa id|rsa id|south african id", digits(13)),
    Number("AU_TFN", "au.tfn", "tfn|tax file number", digits(9), group="tax"),
    # Documents without a checksum: never without a word beside them
    Number("PASSPORT", None, "passport no|passport number", r"[A-Z]{1,2} ?\d{6,8}|[A-Z]\d{2}[A-Z0-9]{5,6}|\d{9}", group="passport"),
    Number("DRIVER_LICENSE", None, "dl no|dl number", r"[A-Z]{0,3}[ -]?\d{2,8}(?:[ -]?\d{2,8}){1,3}", group="licence"),
)
"""Of the EU, Hungary, Malta, Cyprus and Luxembourg are left out: python-stdnum has no validator of their numbers of people."""
