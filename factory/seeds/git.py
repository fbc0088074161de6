"""Files of a git repository at a commit, by the `git` program: fetched once, read from the objects, nothing ever checked out or run."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from factory.faults import FactoryError
from factory.records import digest
from factory.seeds_spec import CREDENTIALS

FETCH_SECONDS = 900
READ_SECONDS = 120
SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"),  # bytes a second, seconds: a dead line ends
)
REGULAR_FILE = re.compile(r"100(?:644|755) blob ([0-9a-f]+)\t(.*)", re.DOTALL)
"""An entry of `git ls-tree`; links and submodules are none."""
QUERY = re.compile(r"(://[^\s?'\"]*)\?[^\s'\"]*")
"""The query string of a URL, where stores and proxies take tokens."""


class UnreachableError(FactoryError):
    """A repository gives nothing, whatever commit is asked for."""


class Repository:
    """A repository in the cache. Its objects are named by their content, so what is there once is never fetched again."""

    def __init__(self, source: str, cache: Path) -> None:
        """`source`: a URL, git's `user@host:path`, or a folder. Nothing is read yet."""
        self.source = source
        self.name = hide_credentials(source)
        self._folder = cache / f"{digest(['git', source])}.git"

    def holds(self, commit: str) -> bool:
        """Whether the commit is in the cache."""
        return self._folder.is_dir() and self._run("cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode == 0

    def fetch(self, commit: str) -> None:
        """Brings the commit into the cache. Raises FactoryError where there is no git, no such repository, or no such commit in it."""
        if self.source.startswith("-"):
            raise FactoryError(f"{self.name} is no git repository")
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._folder}.lock"):
            if self.holds(commit):
                return
            if not (self._folder / "HEAD").is_file():
                self._run("init", "--quiet", "--bare", str(self._folder), in_repository=False)
            alone = self._fetch("--depth=1", "--", self.source, commit)
            if alone.returncode != 0 or not self.holds(commit):  # a short hash, or a server that gives no commit by its hash
                unshallow = ["--unshallow"] if (self._folder / "shallow").is_file() else []
                whole = self._fetch(*unshallow, "--", self.source, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
                if whole.returncode != 0:
                    raise UnreachableError(f"the git repository {self.name} cannot be fetched: {self._explain(whole)}")
            if not self.holds(commit):
                raise FactoryError(f"the git repository {self.name} has no commit {commit}")

    def list_files(self, commit: str) -> dict[str, str]:
        """The regular files of a commit in the cache: the id of their content by path; a byte that is no UTF-8 is written as \\xe9."""
        listed = self._run("ls-tree", "-r", "-z", "--full-tree", commit).stdout.decode(errors="backslashreplace")
        entries = filter(None, (REGULAR_FILE.fullmatch(entry) for entry in listed.split("\0")))
        return {entry[2]: entry[1] for entry in entries}

    def read(self, blob: str) -> bytes:
        """The content with that id."""
        return self._run("cat-file", "blob", blob).stdout

    def _fetch(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        quiet = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc")
        return self._run("fetch", *quiet, *arguments, check=False, seconds=FETCH_SECONDS)

    def _run(
        self, *arguments: str, in_repository: bool = True, check: bool = True, seconds: int = READ_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        place: Sequence[str] = ("--git-dir", str(self._folder)) if in_repository else ()
        quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")}
        kept = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
        try:
            done = subprocess.run(
                ["git", *SAFE, *place, *arguments], env=kept | quiet, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
            )
        except FileNotFoundError:
            raise FactoryError(f"{self.name} needs the program git, and there is none on this machine; install it") from None
        except subprocess.TimeoutExpired:
            raise UnreachableError(f"the git repository {self.name} gave no answer within {seconds} s") from None
        if check and done.returncode != 0:
            raise FactoryError(f"the git repository {self.name} cannot be read: {self._explain(done)}")
        return done

    def _explain(self, done: subprocess.CompletedProcess[bytes]) -> str:
        """The last line that says something, without any password that git repeats."""
        said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        told = [line for line in said if line.startswith(("fatal:", "error:"))] or said or ["no reason given"]
        return hide_credentials(told[0])


def hide_credentials(url: str) -> str:
    """A URL, or a text with URLs, without their users, passwords and query strings."""
    return QUERY.sub(r"\1", CREDENTIALS.sub("", url))
