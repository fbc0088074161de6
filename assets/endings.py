"""How `factory` ends: its exit codes, and which error ends it with which code and paragraph."""

from factory.faults import FactoryError

OK, FAILED, BAD_INPUT, BUSY, STOPPED = 0, 1, 2, 3, 130
EXIT_CODES = (
    "Exit codes: 0 done · 1 it failed (a gate, a leaf, a fault) · 2 bad input or usage · 3 another run holds the line · 130 stopped."
)


def explain(error: Exception) -> int:
    """Says in one paragraph on standard error what went wrong, and gives the exit code."""
    from assets.console import ERR

    text, code = _classify(error)
    ERR.print(text, style="red" if code != STOPPED else "", markup=False, highlight=False, soft_wrap=True)
    return code


def _classify(error: Exception) -> tuple[str, int]:
    from assets.run import RunFailedError, RunStoppedError
    from resources.lock import LineBusyError

    if isinstance(error, RunStoppedError):
        return str(error), STOPPED
    if isinstance(error, LineBusyError):
        return str(error), BUSY
    if isinstance(error, RunFailedError):
        return str(error), FAILED
    if isinstance(error, FactoryError):
        return str(error), BAD_INPUT
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}. Mend that and run again; what was made is stored.", FAILED
    if "disk is full" in str(error):
        return "The disk became full while the run was written down. What was made before is stored: make room and run again.", FAILED
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)", FAILED
