"""Great Expectations at work: validates frames in a context that lives as long as a run, and writes its results as a static site."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from resources.home import find_home

_LOADED = re.compile(
    r"<script\b[^>]*\bsrc=[^>]*>\s*</script>|<link\b[^>]*\bhref=\"https?:[^>]*>|<img\b[^>]*\bsrc=\"https?:[^>]*>", re.IGNORECASE
)
_STYLE = "<style>body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:4px 8px}</style>"


@dataclass(frozen=True)
class Expected:
    """One expectation by class name, with its arguments."""

    expectation: str
    arguments: Mapping[str, Any]


@dataclass
class DataDocs:
    """The validations of one line in this run. A fresh one for each run: Great Expectations would list all that it ever saw."""

    context: Any
    source: Any
    checked: set[str] = field(default_factory=set)

    def validate(self, name: str, frame: pl.DataFrame, expected: Sequence[Expected]) -> list[Mapping[str, Any] | None]:
        """What Great Expectations found of each expectation that does not hold, and None of one that holds."""
        from great_expectations import ExpectationSuite, ValidationDefinition, expectations

        asked = [getattr(expectations, each.expectation)(**each.arguments, meta={"at": at}) for at, each in enumerate(expected)]
        batch = self.source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
        suite = self.context.suites.add(ExpectationSuite(name=name, expectations=asked))
        validation = self.context.validation_definitions.add(ValidationDefinition(name=name, data=batch, suite=suite))
        found: list[Mapping[str, Any] | None] = [None] * len(expected)
        for result in validation.run(batch_parameters={"dataframe": frame.to_pandas()}, result_format="BASIC").results:
            found[result.expectation_config.meta["at"]] = None if result.success else dict(result.result)
        self.checked.add(name)
        return found


_OPEN: dict[Path, DataDocs] = {}


def docs_folder(line: str) -> Path:
    """Where the site of a line lies."""
    return find_home().root / "data_docs" / line


def open_docs(line: str, name: str) -> DataDocs:
    """The validations of the line in this run; a new run begins where `name` was checked already."""
    folder = docs_folder(line)
    if folder not in _OPEN or name in _OPEN[folder].checked:
        _OPEN[folder] = _start(folder)
    return _OPEN[folder]


def build_docs(line: str) -> Path:
    """Writes the site of what was validated in this run, in place of the last one, and gives its first page."""
    folder = docs_folder(line)
    shutil.rmtree(folder, ignore_errors=True)
    _OPEN[folder].context.build_data_docs(site_names=["line"])
    for page in _list_pages(folder):
        page.write_text(_LOADED.sub("", page.read_text()).replace("</head>", f"{_STYLE}</head>", 1))
    return folder / "index.html"


def _start(folder: Path) -> DataDocs:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.delete_data_docs_site("local_site")
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "site_index_builder": index, "store_backend": store}
    context.add_data_docs_site("line", site)
    return DataDocs(context, context.data_sources.add_pandas(folder.name))


def _list_pages(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.html"))
