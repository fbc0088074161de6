"""Reads what any HTTP server may say beside an answer: an error in its many forms, when to come back, text that is no text."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3); null where it does not say, or not so that it can be read.

    A date is compared with the server's own Date, where it sends one, so that a wrong clock here does no harm.
    """
    for header, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        if _SECONDS.fullmatch(given := headers.get(header, "").strip()):
            return float(given) / unit
    until = _read_date(headers.get("retry-after", ""))
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _read_date(text: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def read_error(content: bytes) -> str:
    """The message of an error body, its code and type included; the text itself where it has another form."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)
    parts = [error.get(key) for key in ("message", "detail", "code", "type")]
    return ", ".join(str(part) for part in parts if part) or json.dumps(error)


def mend_text(text: str) -> str:
    """`text` with a replacement character for each half of a surrogate pair, which JSON can write and nothing can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mend_json(content: bytes) -> bytes:
    """The same for a JSON text; as it is where it has none, or is no JSON."""
    if not _SURROGATE.search(content):
        return content
    try:
        return mend_text(json.dumps(json.loads(content), ensure_ascii=False)).encode()
    except (ValueError, RecursionError):
        return content
