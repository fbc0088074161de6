"""Documents come from folders, git repositories at a commit and object stores; what cannot be had is told in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from factory.faults import FactoryError
from factory.records import digest
from factory.seeds.git import Repository, hide_credentials
from factory.seeds.leaf import Document
from factory.seeds.sources import NotFetchedError, find_documents

GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} | {
    f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Ana"), ("EMAIL", "ana@example.org"))
}
FILES = {
    "whales.md": "# Whales\n\nLarge.\n",
    "land/cow.md": "Cows.\n",
    "land/more/鸡.txt": "鸡。\n",
    "logo.png": "x",
    ".hidden/a.md": "no\n",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env=os.environ | GIT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write_files(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def commit_all(folder: Path, message: str = "change") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = write_files(tmp_path / "origin")
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "link.md").symlink_to("/etc/passwd")
    commit_all(folder)
    return folder


def find(source: Path | str, commit: str | None, patterns: Sequence[str], cache: Path, *, fetch: bool = True) -> tuple[Document, ...]:
    return find_documents(str(source), commit, patterns, "MIT", "en", cache, fetch=fetch)


def texts(documents: Sequence[Document]) -> dict[str, str]:
    return {document.name: document.read().decode() for document in documents}


def test_a_commit_gives_its_files_whatever_came_after(repository: Path, tmp_path: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "whales.md").write_text("changed\n")
    second = commit_all(repository)
    for url in (str(repository), repository.as_uri()):
        old, new = (find(url, commit, ["*.md", "land/**"], tmp_path / "cache") for commit in (first, second))
        place = f"{url}@{first[:12]}"
        assert texts(old) == {
            f"{place}/land/cow.md": "Cows.\n",
            f"{place}/land/more/鸡.txt": "鸡。\n",
            f"{place}/whales.md": "# Whales\n\nLarge.\n",
        }
        assert texts(new)[f"{url}@{second[:12]}/whales.md"] == "changed\n"
        assert [a.mark == b.mark for a, b in zip(old, new, strict=True)] == [True, True, False]
    assert {(document.licence, document.language) for document in old} == {("MIT", "en")}


def test_a_commit_that_was_fetched_needs_its_repository_no_more(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    with pytest.raises(NotFetchedError, match="is not fetched yet; the next run of the line does that"):
        find(repository, commit, ["*.md"], tmp_path / "cache", fetch=False)
    before = texts(find(repository, commit, ["*.md"], tmp_path / "cache"))
    shutil.rmtree(repository)
    for fetch in (True, False):
        assert texts(find(repository, commit, ["*.md"], tmp_path / "cache", fetch=fetch)) == before


def test_an_old_commit_by_a_short_hash_is_found(repository: Path, tmp_path: Path) -> None:
    first = git(repository, "rev-parse", "--short=8", "HEAD")
    (repository / "whales.md").write_text("changed\n")
    find(repository, commit_all(repository), ["*.md"], tmp_path / "cache")
    assert list(texts(find(repository, first, ["*.md"], tmp_path / "cache")).values()) == ["# Whales\n\nLarge.\n"]


def test_no_hook_filter_or_link_of_a_repository_takes_effect(repository: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (repository / ".gitattributes").write_text("*.md filter=evil\n")
    commit = commit_all(repository)
    for hook in ("post-checkout", "reference-transaction", "post-merge", "pre-auto-gc"):
        for folder in (repository / ".git/hooks", tmp_path / "template/hooks"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hook).write_text(f"#!/bin/sh\ntouch {canary}\n")
            (folder / hook).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
        documents = find(repository, commit[:9], ["*.md"], tmp_path / "cache")  # a short hash, so that references are written too
    assert [document.name.rpartition("/")[2] for document in documents] == ["whales.md"]
    assert not canary.exists()


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        (["*.rst"], r"the pattern '\*\.rst' matches no file in .*origin; there is \.hidden/a\.md, land/cow\.md, land/more/鸡\.txt …"),
        (["*.md", "*.png"], r"logo\.png in .*origin is of no kind that is read \(\.md, .*\.pdf\); narrow the patterns"),
        (["**/*[.md"], r"matches no file|cannot be read"),
    ],
)
def test_a_pattern_that_gives_nothing_to_read_is_told(repository: Path, tmp_path: Path, patterns: list[str], told: str) -> None:
    for commit in (None, git(repository, "rev-parse", "HEAD")):
        with pytest.raises(FactoryError, match=told):
            find(repository, commit, patterns, tmp_path / "cache")


def test_a_missing_commit_repository_or_git_is_told(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(FactoryError, match=f"the git repository {repository} has no commit {'0' * 40}"):
        find(repository, "0" * 40, ["*.md"], cache)
    with pytest.raises(FactoryError, match=r"the git repository .*/none cannot be fetched: fatal: .*none.*"):
        find(tmp_path / "none", "0" * 40, ["*.md"], cache)
    with pytest.raises(FactoryError, match="is no git repository"):
        find("--upload-pack=touch x", "0" * 40, ["*.md"], cache)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FactoryError, match="needs the program git, and there is none on this machine; install it"):
        find(repository, "1" * 40, ["*.md"], cache)


def test_a_password_in_a_url_is_never_told(tmp_path: Path) -> None:
    for secret in ("me:canary", "canary", ":canary"):
        assert hide_credentials(f"https://{secret}@example.org/a.git") == "https://example.org/a.git"
    assert hide_credentials("ssh://git@example.org/a.git") == "ssh://git@example.org/a.git"
    for secret in ("https://me:can@ary@example.org/a.git", "https://example.org/a.git?token=canary"):
        assert hide_credentials(f"fatal: repository '{secret}' not found") == "fatal: repository 'https://example.org/a.git' not found"
    url = "https://me:canary@127.0.0.1:9/a.git"  # the discard port: refused at once
    with pytest.raises(FactoryError) as caught:
        Repository(url, tmp_path).fetch("0" * 40)
    assert "127.0.0.1:9/a.git" in str(caught.value) and "canary" not in str(caught.value)


def test_a_folder_gives_its_files_but_none_from_elsewhere(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "texts")
    (tmp_path / "secret.md").write_text("secret")
    (folder / "secret.md").symlink_to(tmp_path / "secret.md")
    before = find(folder, None, ["**/*.md", "./land/more/*.txt"], tmp_path)
    assert list(texts(before)) == ["texts/land/cow.md", "texts/land/more/鸡.txt", "texts/whales.md"]
    (folder / "whales.md").write_text("changed")
    after = find(folder, None, ["**/*.md", "land/more/*.txt"], tmp_path)
    assert [a.mark == b.mark for a, b in zip(before, after, strict=True)] == [True, True, False]
    with pytest.raises(FactoryError, match="no folder"):
        find(tmp_path / "none", None, ["*"], tmp_path)


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_an_object_store_gives_its_files(tmp_path: Path, protocol: str) -> None:
    root = f"memory://{tmp_path.name}/texts" if protocol == "memory" else (tmp_path / "texts").as_uri()
    for name, text in FILES.items():
        with fsspec.open(f"{root}/{name}", "w", encoding="utf-8", auto_mkdir=True) as file:
            file.write(text)
    found = find(f"{root}/", None, ["**/*.md", "land/**/*.txt"], tmp_path)
    assert texts(found) == {f"{root}/{name}": FILES[name] for name in ("land/cow.md", "land/more/鸡.txt", "whales.md")}
    with pytest.raises(FactoryError, match=r"the pattern '\*\.rst' matches no file"):
        find(root, None, ["*.rst"], tmp_path)


def test_a_file_name_that_is_no_text_can_be_told_and_recorded(repository: Path, tmp_path: Path) -> None:
    (repository / os.fsdecode(b"caf\xe9.md")).write_text("Coffee.\n")
    for commit in (None, commit_all(repository)):
        document = find(repository, commit, ["caf*"], tmp_path / "cache")[0]
        assert document.name.endswith("/caf\\xe9.md") and document.read() == b"Coffee.\n"
        assert digest([document.name])


class _Site(SimpleHTTPRequestHandler):
    """Serves a folder; `broken` paths end in a server's error, `untold` headers are not sent."""

    broken: ClassVar[set[str]] = set()
    untold: ClassVar[set[str]] = set()

    def send_head(self) -> Any:
        if self.path.partition("?")[0] in self.broken:
            self.send_error(500)
            return None
        return super().send_head()

    def send_header(self, keyword: str, value: str) -> None:
        if keyword not in self.untold:
            super().send_header(keyword, value)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, type[_Site]]]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.md").write_text("Cows.\n")
    kind = type("Site", (_Site,), {"broken": set(), "untold": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(tmp_path / "site"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", kind
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("untold", [set(), {"Last-Modified"}])
def test_a_document_of_a_web_server_has_changed_when_the_server_says_so_or_its_content_has(
    site: tuple[str, type[_Site]], tmp_path: Path, untold: set[str]
) -> None:
    url, kind = site
    kind.untold |= untold
    first, again = (find(url, None, ["*.md"], tmp_path)[0] for _ in range(2))
    (tmp_path / "site/a.md").write_text("Cats.\n")
    os.utime(tmp_path / "site/a.md", (1, 1))
    changed = find(url, None, ["*.md"], tmp_path)[0]
    assert first.mark == again.mark != changed.mark
    assert changed.read() == b"Cats.\n"


def test_a_web_server_that_fails_is_told_without_its_token(site: tuple[str, type[_Site]], tmp_path: Path) -> None:
    url, kind = site
    document = find(url, None, ["*.md"], tmp_path)[0]
    kind.broken |= {"/a.md", "/lost"}
    asked = [document.read, *(partial(find, place, None, ["*"], tmp_path) for place in (url, f"{url}/lost?key=canary"))]
    for failing in asked:
        with pytest.raises(FactoryError, match=r"http://127\.0\.0\.1:\d+/.* cannot be read: 500") as caught:
            failing()
        assert "canary" not in str(caught.value)


def test_a_store_of_an_unknown_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match=r"klingon://a cannot be opened: .*klingon"):
        find("klingon://a", None, ["*"], tmp_path)
