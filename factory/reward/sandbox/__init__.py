"""Runs Python that nobody has read: a process of its own without network, writes, other processes, or more than its time and memory.

What holds by what, on Linux 5.13 or newer (x86_64, aarch64), with or without root:

- *Nothing is written, removed or changed; no network; no other process or thread, so no fork bomb and no daemon; no signal to another
  process*: seccomp. Only the system calls of `isolate.SYSTEM_CALLS` pass, every other is refused with EPERM, from Python, ctypes or machine
  code alike, and neither an exec nor root lifts it (PR_SET_NO_NEW_PRIVS). RLIMIT_FSIZE 0 and Landlock say no to writing once more.
- *Nothing is read but Python's standard library, the system's shared libraries and time zones*: Landlock. So no file of a user, no /proc
  (where another process's environment stands), no device. That a file exists, its size and dates, can still be asked.
- *No secrets are inherited*: exec with an empty environment, `python -I -S`, and no open files but the pipes.
- *Processor time and memory*: RLIMIT_CPU and RLIMIT_AS, hard limits that a process cannot raise. *Time on the clock and output*: the parent
  reads at most so much and kills after so long, and what still computes then after ten times as long. *The parent's own end*:
  PR_SET_PDEATHSIG.
- *Nothing is left behind*: there is one process, which is always waited for, and it can make no file.

Every part holds or nothing is run: where one cannot be had, `run_python` raises SandboxUnavailableError. It is no boundary against faults
of the kernel. And a program can write into its reply what it likes: so nobody tells it what is expected of it.
"""

from __future__ import annotations

from factory.reward.sandbox.run import Limits, Other, Ran, SandboxUnavailableError, Step, run_python

__all__ = ["Limits", "Other", "Ran", "SandboxUnavailableError", "Step", "run_python"]
