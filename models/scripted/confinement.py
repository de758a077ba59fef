"""Confinement of a process: no write access, no network, no other programs, a limit of memory.

    files      Landlock (https://docs.kernel.org/userspace-api/landlock.html), by landlockpy; reading stays allowed.
               RLIMIT_FSIZE beside it, on every POSIX system
    network,   seccomp (https://docs.kernel.org/userspace-api/seccomp_filter.html), by pyseccomp and libseccomp:
    programs   the refused calls return EPERM
    memory     RLIMIT_AS

Open files stay usable. The rules hold for the calling thread and for all that it starts, so a
process confines itself while it has a single thread.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

CLONE_THREAD = 0x00010000  # clone(2)
# Ways to other processes, to the network and to more rights. Threads need `clone`: see `_deny_calls`.
DENIED_CALLS = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("fork", "vfork", "execve", "execveat", "kill", "tkill", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("pidfd_open", "pidfd_getfd", "pidfd_send_signal", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot"),
    *("io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key"),
    *("shmget", "shmat", "msgget", "msgsnd", "semget", "mq_open", "open_by_handle_at", "init_module", "finit_module"),
)


def confine() -> list[str]:
    """Take the rights of the calling thread and of all that it starts.

    Return what this system could not take, as sentences for the user; empty if nothing is left.
    RuntimeError if the process has further threads, which would keep their rights.
    """
    if sys.platform != "linux":
        return [*_deny_file_sizes(), "this system cannot keep it from the network"]
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise RuntimeError(f"the process has {threads} threads and can only be confined with one")
    gaps = _deny_calls()  # first: pyseccomp looks for libseccomp with the help of other programs
    return [*gaps, *_deny_files(), *_deny_file_sizes()]


def limit_memory(more: int) -> None:
    """Limit the address space to what the process has now and `more` bytes. Linux only."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _deny_file_sizes() -> list[str]:
    """Forbid to write to ordinary files, and to leave a memory image."""
    if sys.platform == "win32":
        return ["this system cannot keep it from writing files"]
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with EFBIG
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    return []


def _deny_files() -> list[str]:
    try:
        from landlockpy import AccessFS, LandlockError, Ruleset, Scope

        with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as rules:
            rules.allow_path("/", AccessFS.READ_FILE | AccessFS.READ_DIR)
            rules.restrict()
    except (ImportError, OSError, LandlockError) as error:
        return [f"this system has no Landlock, so that it can create, rename and delete files ({error})"]
    return []


def _deny_calls() -> list[str]:
    try:
        import pyseccomp

        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        refused = pyseccomp.ERRNO(errno.EPERM)
        for name in DENIED_CALLS:
            rules.add_rule(refused, name)
        # A thread is a clone with CLONE_THREAD. clone3 hides its flags in memory: libc falls back to clone.
        rules.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.load()
    except (ImportError, OSError, RuntimeError) as error:
        return [f"this system has no libseccomp, so that it can reach the network ({error})"]
    return []
