"""Licences as people write them become SPDX ids, or nothing: never a guess."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.seeds.attribution import parse_spdx, read_licence


@pytest.mark.parametrize(
    ("written", "spdx"),
    [
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("cc by 4.0", "CC-BY-4.0"),
        ("CC-BY-4.0.", "CC-BY-4.0"),
        ("CC BY 4", "CC-BY-4.0"),
        ("CC BY 4.0 International", "CC-BY-4.0"),
        ("CC BY-SA 3.0 DE", "CC-BY-SA-3.0-DE"),
        ("CC-BY-ND-NC 4.0", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution NonCommercial NoDerivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-Non-Commercial-Share Alike 4.0", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/)", "CC-BY-SA-4.0"),
        ("CC0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("Creative Commons Zero v1.0", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("MIT License", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache 2.0", "Apache-2.0"),
        ("BSD 3-Clause", "BSD-3-Clause"),
        ("GNU GPL v3", "GPL-3.0-only"),
        ("Public Domain", "LicenseRef-Public-Domain"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("CC BY-SA", None),
        ("CC BY-SA 9.9", None),
        ("CC BY-SA 4.0, CC BY 3.0", None),
        ("CC BY 4.0 but not for machines", None),
        ("CC0 but not for machines", None),
        ("CC NC 4.0", None),
        ("all rights reserved", None),
        ("-", None),
        ("", None),
    ],
)
def test_a_written_licence_is_its_spdx_id_or_nothing(written: str, spdx: str | None) -> None:
    assert parse_spdx(written) == spdx


def test_several_works_are_joined() -> None:
    line = "License of the work: "
    assert read_licence(f"{line}CC BY 4.0\n\n{line}cc-by-4.0\n") == ("CC-BY-4.0", ())
    assert read_licence(f"{line}MIT\n{line}CC0\n") == ("CC0-1.0 AND MIT", ())
    assert read_licence(f"{line}MIT OR Apache-2.0\n{line}CC0\n") == ("CC0-1.0 AND (MIT OR Apache-2.0)", ())


def test_other_spellings_of_the_line_are_read() -> None:
    for line in ("license of the work:MIT", "Licence of the work: MIT", "License: MIT", "  License of the Work : MIT\r"):
        assert read_licence(f"Title of work: A\n{line}\n")[0] == "MIT"


def test_one_unreadable_line_makes_the_whole_unknown() -> None:
    licence, unread = read_licence("License of the work: MIT\nLicense of the work: mine\n")
    assert licence == "unknown"
    assert unread == ("the licence 'mine' is no SPDX id such as CC-BY-4.0",)
    assert read_licence("Title of work: A\n") == ("unknown", ("no 'License of the work:' line",))


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_parsed_to_a_stable_id_or_nothing(text: str) -> None:
    spdx = parse_spdx(text)
    assert spdx is None or parse_spdx(spdx) == spdx
