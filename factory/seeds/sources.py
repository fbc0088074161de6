"""Where documents come from: a folder, a git repository at a commit, or a URL of an object store; the files that patterns match."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.seeds.formats import SUFFIXES, suffix_of
from factory.seeds.git import Repository, hide_credentials
from factory.seeds.leaf import Document
from factory.seeds_spec import REMOTE

SHOWN_COMMIT = 12
MOST_NAMED = 3
CONTENT_HEADERS = ("ETag", "Content-MD5", "Digest", "Last-Modified")
"""Headers by which a web server tells that a file has changed, as fsspec gives them."""


@dataclass(frozen=True)
class File:
    """A file of a source. `mark` gives a text that changes with its content."""

    name: str
    mark: Callable[[], str]
    read: Callable[[], bytes]


class NotFetchedError(FactoryError):
    """The documents are not in the cache, and were not to be fetched."""


def find_documents(
    source: str, commit: str | None, patterns: Sequence[str], licence: str, language: str, cache: Path, *, fetch: bool = True
) -> tuple[Document, ...]:
    """The documents in `source` that match one of `patterns`, sorted by name.

    With a commit `source` is a git repository, of which `cache` keeps a copy; without `fetch` nothing but that copy and folders are read.
    Raises FactoryError for a source that cannot be read, a pattern that matches nothing, or a file of a kind that is not read.
    """
    if commit is not None:
        found = _list_git(Repository(source, cache), commit, fetch=fetch)
    else:
        found = _list_remote(source, fetch=fetch) if REMOTE.match(source) else _list_folder(Path(source))
    chosen = _choose(list(found), patterns, hide_credentials(source))
    return tuple(Document(file.name, file.mark(), licence, language, file.read) for file in (found[name] for name in chosen))


def _choose(names: Sequence[str], patterns: Sequence[str], source: str) -> list[str]:
    """The names that a pattern matches; hidden files and folders only where it names them."""
    from fsspec.utils import glob_translate

    chosen: set[str] = set()
    for pattern in patterns:
        try:
            form = re.compile(glob_translate(pattern.removeprefix("./")))
        except (ValueError, re.error) as error:
            raise FactoryError(f"the pattern {pattern!r} cannot be read: {error}") from None
        matched = {name for name in names if form.match(name) and ("/." in pattern or pattern.startswith(".") or "/." not in f"/{name}")}
        if not matched:
            near = ", ".join(sorted(name for name in names if suffix_of(name) in SUFFIXES)[:MOST_NAMED])
            raise FactoryError(f"the pattern {pattern!r} matches no file in {source}{f'; there is {near} …' if near else ''}")
        chosen |= matched
    if unread := sorted(name for name in chosen if suffix_of(name) not in SUFFIXES):
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        raise FactoryError(f"{unread[0]}{more} in {source} is of no kind that is read ({', '.join(SUFFIXES)}); narrow the patterns")
    return sorted(chosen)


def _list_git(repository: Repository, commit: str, *, fetch: bool) -> dict[str, File]:
    if not fetch and not repository.holds(commit):
        raise NotFetchedError(f"{repository.name} at {commit[:SHOWN_COMMIT]} is not fetched yet; the next run of the line does that")
    if fetch:
        repository.fetch(commit)
    place = f"{repository.name}@{commit[:SHOWN_COMMIT]}"
    return {
        name: File(f"{place}/{name}", partial(str, blob), partial(repository.read, blob))
        for name, blob in repository.list_files(commit).items()
    }


def _list_folder(folder: Path) -> dict[str, File]:
    """Every file below `folder`; one that a link leads to elsewhere is not its own."""
    if not folder.is_dir():
        raise FactoryError(f"no folder {folder}")
    own = folder.resolve()
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.resolve().is_relative_to(own))
    names = {_write_name(file.relative_to(folder)): file for file in files}
    return {name: File(f"{folder.name}/{name}", partial(_digest, file), file.read_bytes) for name, file in names.items()}


def _write_name(file: Path) -> str:
    """The path as text; a byte that is no UTF-8 is written as \\xe9, as of files in a git repository."""
    return file.as_posix().encode(errors="surrogateescape").decode(errors="backslashreplace")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _list_remote(url: str, *, fetch: bool) -> dict[str, File]:
    from fsspec.core import url_to_fs

    shown = hide_credentials(url).rstrip("/")
    if not fetch and not url.lower().startswith("file://"):
        raise NotFetchedError(f"{shown} is not fetched here; the next run of the line does that")
    try:
        with _say_failures(shown):
            fs, root = url_to_fs(url)
            found = fs.find(root)
    except (ImportError, ValueError) as error:  # no driver for this kind of store, or no such kind
        raise FactoryError(f"{shown} cannot be opened: {hide_credentials(str(error))}") from None
    root = root.rstrip("/")
    names = {path.removeprefix(root).lstrip("/"): path for path in found}
    return {name: _open_remote(fs, path, f"{shown}/{name}") for name, path in names.items()}


def _open_remote(fs: Any, path: str, shown: str) -> File:
    return File(shown, partial(_mark_remote, fs, path, shown), partial(_read_remote, fs, path, shown))


@contextmanager
def _say_failures(shown: str) -> Iterator[None]:
    """What a store answers, as a FactoryError. aiohttp's errors of a web server are no OSError, as those of all other stores are."""
    from aiohttp import ClientError

    try:
        yield
    except (OSError, ClientError) as error:
        why = error.__cause__ or error  # fsspec says "not found" of whatever keeps it from asking after a file
        raise FactoryError(f"{shown} cannot be read: {hide_credentials(str(why) or type(why).__name__)}") from None


def _read_remote(fs: Any, path: str, shown: str) -> bytes:
    with _say_failures(shown):
        return bytes(fs.cat_file(path))


def _mark_remote(fs: Any, path: str, shown: str) -> str:
    """What the store says of the content; of a web server that says nothing, the SHA-256 of the content."""
    from fsspec.implementations.http import HTTPFileSystem

    with _say_failures(shown):
        if not isinstance(fs, HTTPFileSystem):
            return str(fs.ukey(path))
        told = fs.info(path)
        stated = next((f"{header} {told[header]}" for header in CONTENT_HEADERS if told.get(header)), None)
    return stated or hashlib.sha256(_read_remote(fs, path, shown)).hexdigest()
