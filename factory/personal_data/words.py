"""Words that stand beside a number and say what it is, by language."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

Words = dict[str, str]

GENERAL: Final[dict[str, Words]] = {
    "phone": {
        "en": "phone|telephone|tel|mobile|cell|cellphone|fax|sms|whatsapp|call|dial|contact number|hotline|voicemail|answering"
        "|registered number",
        "id": "telepon|telpon|telp|ponsel|hp|handphone|hubungi|nomor wa|no. wa|wa|whatsapp|faks",
        "ms": "telefon|tel|hubungi|faks",
        "de": "telefon*|tel|handy*|mobil*|fax|rückruf|anrufen|rufnummer",
        "fr": "téléphone|tél|tel|portable|mobile|fax|appele*|numéro de téléphone",
        "nl": "telefoon*|tel|mobiel*|gsm|fax|bel|bellen",
        "es": "teléfono|telefono|tel|tfno|móvil|celular|fax|llame|llamar|llámame",
        "it": "telefono|tel|cellulare|cell|fax|chiama*",
        "pt": "telefone|tel|telemóvel|celular|fax|ligue|ligar",
        "pl": "telefon*|tel|kom|komórk*|faks|zadzwoń",
        "sv": "telefon*|tel|mobil*|fax|ring",
        "da": "telefon*|tlf|mobil*|fax|ring",
        "nb": "telefon*|tlf|mobil*|faks|ring",
        "fi": "puhelin*|puh|gsm|matkapuhelin*|soita",
        "ro": "telefon*|tel|mobil|fax|sunați",
        "cs": "telefon*|tel|mobil*|fax|volejte",
        "hu": "telefon*|tel|mobil*|fax|hívjon",
        "tr": "telefon*|tel|cep|faks|ara",
        "el": "τηλέφωνο|τηλ|κινητό|φαξ",
        "bg": "телефон*|тел|мобил*|факс",
        "ru": "телефон*|тел|моб|факс|звоните",
        "uk": "телефон*|тел|моб|факс",
        "hi": "फ़ोन|फोन|मोबाइल|दूरभाष|टेलीफोन",
        "ar": "هاتف*|الهاتف|جوال|الجوال|موبايل|رقم الهاتف|تلفون|واتساب",
        "zh": "*电话*|*電話*|*手机*|*手機*|*联系方式*|*传真*",
        "ja": "*電話*|*携帯*|*ファックス*|*連絡先*",
        "ko": "*전화*|*휴대폰*|*연락처*",
        "th": "*โทร*|*มือถือ*",
    },
    "identity": {
        "en": "id number|id no|id card|identity number|identity card|identification number|national id|national identity|personal number"
        "|personal id|citizen number|national insurance|resident number|birth number",
        "id": "nomor identitas|no. identitas|kartu identitas|nomor induk|kartu tanda penduduk|penduduk|kependudukan|kartu keluarga",
        "ms": "kad pengenalan|nombor pengenalan",
        "de": "personalausweis*|ausweisnummer|identifikationsnummer|personenkennzahl|sozialversicherungsnummer|versicherungsnummer",
        "fr": "carte d'identité|numéro d'identité|numéro national|numéro de sécurité sociale|sécurité sociale",
        "nl": "identiteitskaart|persoonsnummer|identificatienummer",
        "es": "documento de identidad|número de identidad|identificación|cédula|carné de identidad|seguridad social",
        "it": "carta d'identità|documento d'identità|numero d'identità|codice identificativo",
        "pt": "bilhete de identidade|documento de identidade|identificação|cartão de cidadão",
        "pl": "dowód osobisty|numer identyfikacyjny|numer ewidencyjny",
        "sv": "personnummer*|id-nummer|legitimation",
        "da": "personnummer*|id-nummer",
        "nb": "personnummer*|fødselsnummer*|id-nummer",
        "fi": "henkilötunnus*|henkilötunnuk*|henkilötunnukse*",
        "ro": "carte de identitate|buletin|cod personal",
        "cs": "občanský průkaz|rodné číslo|osobní číslo",
        "hu": "személyi szám|személyi igazolvány",
        "tr": "kimlik*|kimlik numarası",
        "el": "ταυτότητα*|αριθμός ταυτότητας",
        "bg": "лична карта|личен номер",
        "ru": "паспорт*|удостоверение личности",
        "hi": "पहचान पत्र|पहचान संख्या",
        "ar": "رقم الهوية|الهوية|بطاقة الهوية|الرقم القومي",
        "zh": "*身份证*|*身份證*|*公民身份号码*",
        "ja": "*個人番号*|*マイナンバー*|*身分証*",
        "ko": "*주민등록*|*신분증*",
        "th": "*บัตรประชาชน*|*ประจำตัวประชาชน*",
    },
    "tax": {
        "en": "tax id|tax number|tax identification|taxpayer*|tax file|tin|tax reference|vat number",
        "id": "wajib pajak|nomor pajak|pajak",
        "de": "steuer-id|steuernummer|steueridentifikation*|steuerliche*|finanzamt",
        "fr": "numéro fiscal|référence fiscale|identifiant fiscal",
        "nl": "belastingnummer|fiscaal nummer",
        "es": "identificación fiscal|número fiscal|contribuyente",
        "it": "codice fiscale|partita iva",
        "pt": "contribuinte|número fiscal|identificação fiscal",
        "pl": "identyfikacji podatkowej|numer podatkowy|podatnik*",
        "el": "φορολογικ*",
        "bg": "данъч*",
        "ru": "налогоплательщик*",
        "zh": "*纳税人*|*税号*",
        "ja": "*納税者*",
    },
    "passport": {
        "en": "passport|passport number|travel document",
        "id": "paspor|nomor paspor",
        "de": "reisepass*|passnummer",
        "fr": "passeport",
        "nl": "paspoort*",
        "es": "pasaporte",
        "it": "passaporto",
        "pt": "passaporte",
        "pl": "paszport*",
        "sv": "pass|passnummer",
        "tr": "pasaport*",
        "ru": "паспорт*|загранпаспорт*",
        "ar": "جواز*|جواز السفر",
        "hi": "पासपोर्ट",
        "zh": "*护照*|*護照*",
        "ja": "*旅券*|*パスポート*",
    },
    "licence": {
        "en": "driver license|drivers license|driver's license|driver’s license|driving licence|driving license|driver licence"
        "|driver's licence"
        "|licence number|license number|dl number",
        "id": "surat izin mengemudi|nomor sim|no. sim",
        "de": "führerschein*",
        "fr": "permis de conduire",
        "nl": "rijbewijs*",
        "es": "permiso de conducir|licencia de conducir|carné de conducir",
        "it": "patente",
        "pt": "carta de condução|carteira de motorista",
    },
    "card": {
        "en": "card|credit card|debit card|visa|mastercard|amex|american express|maestro|discover|diners|jcb|card number|cc",
        "id": "kartu|kartu kredit|kartu debit|nomor kartu",
        "de": "kreditkarte*|karte*|kartennummer",
        "fr": "carte|carte bancaire|carte bleue",
        "nl": "creditcard*|kaart*|pas",
        "es": "tarjeta",
        "it": "carta|carta di credito",
        "pt": "cartão",
        "pl": "kart*",
        "sv": "kort*|kreditkort*",
        "tr": "kart*",
        "ru": "карт*",
        "ar": "بطاقة*|البطاقة",
        "hi": "कार्ड",
        "zh": "*信用卡*|*银行卡*|*卡号*",
        "ja": "*カード*",
    },
    "account": {
        "en": "account|account number|bank account|acct|checking|savings|routing",
        "id": "rekening|nomor rekening|no. rekening|no. rek",
        "de": "konto*|kontonummer",
        "fr": "compte|compte bancaire",
        "nl": "rekening*",
        "es": "cuenta",
        "it": "conto",
        "pt": "conta",
    },
}
"""By group and language; a `*` stands for any letters, and `*word*` is found without borders, in scripts that write no spaces."""

BEFORE = 64
"""Characters before a number in which a word counts: it may stand in the question and the number in the answer."""

AFTER = 24
"""Characters behind a number in which a word counts, as in "0812 … (WhatsApp)"."""

SENTENCE_END = re.compile(r"[.,;!?](?:\s|$)|\n|[。、，；]")


@cache
def general_words(group: str, language: str | None) -> re.Pattern[str]:
    """The words of a group for a text in `language` (BCP 47): its own and the English ones; all where it is not known."""
    by_language = GENERAL[group]
    primary = (language or "").lower().split("-")[0]
    chosen = by_language.values() if primary not in by_language else dict.fromkeys([by_language[primary], by_language["en"]])
    return compile_words("|".join(chosen))


@cache
def compile_words(words: str) -> re.Pattern[str]:
    """Words between `|` as one pattern, which is found in a text of any case."""
    return re.compile("|".join(_compile_word(word) for word in dict.fromkeys(words.split("|"))), re.IGNORECASE)


def _compile_word(word: str) -> str:
    inside = r"\s+".join(re.escape(part) for part in word.strip("*").split())
    if word.startswith("*"):
        return inside
    # "-nya", "-ku" and "-mu" are Indonesian for his or her, my and your.
    return rf"(?<!\w){inside}(?:\w*|[-']?)(?!\w)" if word.endswith("*") else rf"(?<!\w){inside}(?:-?nya|ku|mu|'?s)?(?!\w)"


def stands_beside(words: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether one of `words` stands before the span of `text`, or behind it in the same sentence."""
    if words.search(text, max(0, start - BEFORE), start):
        return True
    last = end + AFTER
    while last < len(text) and text[last - 1].isalnum() and text[last].isalnum():
        last += 1
    stop = SENTENCE_END.search(text, end, last)
    return bool(words.search(text, end, stop.start() if stop else last))
