"""Which commit of a hub model this process opens: whoever asks is given the same, though the hub's branch moves."""

from __future__ import annotations

import re
import time
from functools import partial

COMMIT = re.compile("[0-9a-f]{40}")
MAIN = "main"
PAUSE_SECONDS = 60.0
"""How long nobody is asked again for a commit that could not be had: a hub out of reach may take seconds to say so."""

Asked = tuple[str, str]
KNOWN: dict[Asked, str] = {}
ASK_AGAIN: dict[Asked, float] = {}


def find_commit(model: str, revision: str | None = None) -> str | None:
    """The commit of a hub model at a branch, a tag (main by default) or a commit; None where neither the hub nor its cache here says it.

    What was had once stays for the length of the process, so that all that is made there is of one commit; what was not is asked for again
    after a minute.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    asked = (model, revision or MAIN)
    if asked not in KNOWN and time.monotonic() >= ASK_AGAIN.get(asked, 0.0):
        commit = _ask(*asked)
        if commit is None:
            ASK_AGAIN[asked] = time.monotonic() + PAUSE_SECONDS
        else:
            KNOWN.setdefault(asked, commit)
    return KNOWN.get(asked)


def keep_commit(model: str, commit: str) -> None:
    """Has this process open `model` at `commit`, which the process that launched it found at its branch main."""
    KNOWN[model, MAIN] = commit


def _ask(model: str, revision: str) -> str | None:
    """What the hub says, or else its cache, where the hub writes down what it said."""
    from huggingface_hub import HfApi, constants

    api = HfApi()
    # Without a bound a hub that takes connections and says nothing would be waited for without end.
    api.repo_info = partial(api.repo_info, timeout=constants.HF_HUB_ETAG_TIMEOUT)  # type: ignore[method-assign]
    for only_here in (True,) if constants.is_offline_mode() else (False, True):
        try:
            return str(api.resolve_revision(model, revision=revision, local_files_only=only_here).resolved)
        except Exception:  # the hub's client and what carries it raise their own of many kinds; from_pretrained will say what is wrong
            continue
    return None
