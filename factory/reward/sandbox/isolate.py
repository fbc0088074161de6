"""Shuts the running process in, for good: limits, Landlock, and a list of the only system calls it may make. Linux, no root needed.

Standard library alone, and few modules of it: a process that starts in milliseconds reads this.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SYSTEM_CALLS = {
    "x86_64": (
        0xC000003E,
        72,
        # read write close fstat poll lseek mmap mprotect munmap brk, signals, pread64 readv writev, select sched_yield mremap madvise
        *(0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 23, 24, 25, 28),
        # open stat lstat access, pipe dup dup2, nanosleep getpid, exit uname getcwd readlink gettimeofday
        *(2, 4, 6, 21, 22, 32, 33, 35, 39, 60, 63, 79, 89, 96),
        # getrlimit getrusage sysinfo times getuid getgid geteuid getegid getppid sigaltstack arch_prctl gettid time futex
        *(97, 98, 99, 100, 102, 104, 107, 108, 110, 131, 158, 186, 201, 202),
        # sched_getaffinity getdents64 set_tid_address restart_syscall clock_gettime clock_getres clock_nanosleep exit_group openat
        *(204, 217, 218, 219, 228, 229, 230, 231, 257),
        # newfstatat readlinkat faccessat pselect6 ppoll set_robust_list dup3 pipe2 getcpu getrandom statx rseq faccessat2
        *(262, 267, 269, 270, 271, 273, 292, 293, 309, 318, 332, 334, 439),
    ),
    "aarch64": (
        0xC00000B7,
        25,
        # getcwd dup dup3 faccessat openat close pipe2 getdents64 lseek read write readv writev pread64 pselect6 ppoll readlinkat
        *(17, 23, 24, 48, 56, 57, 59, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78),
        # newfstatat fstat exit exit_group set_tid_address futex set_robust_list nanosleep, clocks, sched_getaffinity sched_yield
        *(79, 80, 93, 94, 96, 98, 99, 101, 113, 114, 115, 123, 124),
        # restart_syscall, signals, times uname getrlimit getrusage getcpu gettimeofday getpid getppid, ids, gettid sysinfo
        *(128, 132, 134, 135, 139, 153, 160, 163, 165, 168, 169, 172, 173, 174, 175, 176, 177, 178, 179),
        # brk munmap mremap mmap mprotect madvise getrandom statx rseq faccessat2
        *(214, 215, 216, 222, 226, 233, 278, 291, 293, 439),
    ),
}
"""By machine: its audit number (linux/audit.h), its fcntl, then the calls that computing in one process needs (asm/unistd.h of Linux 6.1).

Not among them, and refused with EPERM: making a process or a thread (clone, fork, execve), sockets, signals to others (kill), whatever
makes, renames, removes or changes a file or its attributes, ioctl, prctl, setrlimit, shared memory, keys, mounts, io_uring, bpf.
"""
FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC. Not F_SETOWN and F_SETSIG, by which a pipe sends any signal to any process."""
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Bits of file access that each version of Landlock knows (linux/landlock.h); 16 from version 5 on."""
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 22, 4, 38
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")
_INSTALLED = ("site-packages", "dist-packages", "__pycache__")


class NoIsolationError(Exception):
    """This machine cannot shut a process in; the text says what it lacks."""


def shut_in(parent: int, cpu_seconds: int, memory_bytes: int) -> None:
    """After this the process reads nothing but Python's standard library, writes nothing but its open pipes, and cannot undo it.

    Raises NoIsolationError where a part of it is not to be had.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise NoIsolationError("the process that asked for it has ended")
    _call(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
    _call(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    os.chdir("/")
    _limit(cpu_seconds, memory_bytes)
    _hide_files(libc)
    _admit_calls(libc)


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _hide_files(libc: ctypes.CDLL) -> None:
    """Landlock (Linux 5.13): no access to files but reading the standard library and shared libraries."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        raise NoIsolationError("this kernel has no Landlock (it needs Linux 5.13 or newer with landlock among its security modules)")
    handled = ctypes.c_uint64((1 << _FILE_RIGHTS.get(version, 16)) - 1)
    ruleset = _call(libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0), "landlock_create_ruleset")
    for path in _LIBRARIES:
        _allow(libc, ruleset, Path(path), _READ_FILE | _READ_DIR)
    for folder in map(Path, sys.path):
        if not folder.is_dir():
            _allow(libc, ruleset, folder, _READ_FILE)
            continue
        _allow(libc, ruleset, folder, _READ_DIR)
        for entry in folder.iterdir():
            if entry.name not in _INSTALLED:
                _allow(libc, ruleset, entry, _READ_FILE)
    for library in Path(sys.base_prefix, "lib").glob("lib*.so*"):
        _allow(libc, ruleset, library, _READ_FILE)
    _call(libc.syscall(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not path.is_dir():
        rights &= ~_READ_DIR
    # struct landlock_path_beneath_attr is packed: a u64 and an s32.
    rule = ctypes.create_string_buffer(rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder), 12)
    _call(libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), "landlock_add_rule")
    os.close(place)


def _admit_calls(libc: ctypes.CDLL) -> None:
    """seccomp (Linux 3.17): a filter of classic BPF that answers every call but those of SYSTEM_CALLS with EPERM."""
    machine = os.uname().machine
    if machine not in SYSTEM_CALLS:
        raise NoIsolationError(f"there is no list of system calls for the machine {machine}, only for {', '.join(SYSTEM_CALLS)}")
    audit, fcntl, *calls = SYSTEM_CALLS[machine]
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    refuse, kill, allow = 0x00050000 | 1, 0x80000000, 0x7FFF0000  # SECCOMP_RET_ERRNO with EPERM, KILL_PROCESS, ALLOW
    # In struct seccomp_data the number of the call stands at offset 0, the machine at 4, the second argument at 24.
    lines = [(load, 0, 0, 4), (equal, 1, 0, audit), (give, 0, 0, kill), (load, 0, 0, 0)]
    lines += [(equal, 0, len(FCNTL_COMMANDS) + 3, fcntl), (load, 0, 0, 24), *_choose(FCNTL_COMMANDS), (give, 0, 0, refuse)]
    lines += [(give, 0, 0, allow), *_choose(calls), (give, 0, 0, refuse), (give, 0, 0, allow)]
    code = b"".join(kind.to_bytes(2, sys.byteorder) + bytes((yes, no)) + value.to_bytes(4, sys.byteorder) for kind, yes, no, value in lines)
    text = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))

    program = Program(len(lines), ctypes.addressof(text))
    _call(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0), "prctl(PR_SET_SECCOMP)")


def _choose(values: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Lines that jump over the one after them where the loaded number is among `values`."""
    return [(0x15, len(values) - place, 0, value) for place, value in enumerate(values)]


def _call(result: int, name: str) -> int:
    if result < 0:
        raise NoIsolationError(f"{name} failed: {os.strerror(ctypes.get_errno())}")
    return result
