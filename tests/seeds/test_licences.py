"""A licence is admitted where the line's list covers all that it asks."""

from __future__ import annotations

import pytest

from factory.seeds.licences import admits


@pytest.mark.parametrize(
    ("licence", "allow", "admitted"),
    [
        ("CC-BY-NC-4.0", (), True),
        ("unknown", (), True),
        ("MIT", ("MIT",), True),
        ("unknown", ("MIT",), False),
        ("unknown", ("unknown",), True),
        ("CC-BY-NC-SA-4.0", ("CC-BY-SA-4.0", "CC-BY-4.0"), False),
        ("MIT OR GPL-3.0-only", ("MIT",), True),
        ("MIT AND GPL-3.0-only", ("MIT",), False),
        ("MIT AND GPL-3.0-only", ("MIT", "GPL-3.0-only"), True),
        ("CC0-1.0 AND (MIT OR Apache-2.0)", ("CC0-1.0", "Apache-2.0"), True),
        ("CC0-1.0 AND (MIT OR Apache-2.0)", ("MIT", "Apache-2.0"), False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ("GPL-2.0-only",), False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ("GPL-2.0-only WITH Classpath-exception-2.0",), True),
        ("LicenseRef-Public-Domain", ("LicenseRef-Public-Domain",), True),
    ],
)
def test_a_licence_is_admitted(licence: str, allow: tuple[str, ...], admitted: bool) -> None:
    assert admits(licence, allow) is admitted
