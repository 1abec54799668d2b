"""What Linux shows of a process in ``/proc``."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "ProcessError", "read_process"]

_INTERPRETER = re.compile(r"/(?:lib)?python(\d\.\d+)t?(?:[.\w-]*\.so[.\d]*)?$|\.cpython-(\d)(\d+)t?-[\w-]+\.so$")
_OTHER_INTERPRETER = re.compile(r"/lib(pypy|graalpy|jvmcicompiler)[\w.-]*\.so|/(pypy|graalpy)[\d.]*$")
_FOLDER_OF_PACKAGES = re.compile(r"^(/.*/(?:site|dist)-packages)/")
_NATIVE = {
    "nanospan": "/nanospan/_native/",
    "grpcio": "/grpc/_cython/",
    "protobuf": "/google/_upb/",
    "gevent": "/gevent/_gevent_c",
    "ddtrace": "/ddtrace/internal/",
    "uvloop": "/uvloop/",
}
"""Packages with native modules, which alone can be seen from outside."""
_DELETED = " (deleted)"


class ProcessError(Exception):
    """The process cannot be examined; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs CPython."""

    pid: int
    users: frozenset[int]
    """Its real, effective and saved user ids."""
    command: tuple[str, ...]
    python: str
    """As ``3.11``."""
    environment: dict[str, str]
    """What it was started with; what it has set itself since is not seen."""
    loaded: tuple[str, ...]
    """Of the packages with native modules that are of interest here, those that it has loaded."""
    home: str
    """The folder that it has nanospan from; empty if it has not loaded it."""
    replaced: bool
    """Whether nanospan's native modules on disk are no longer those that it has loaded."""
    package_folders: tuple[str, ...]
    """The folders of installed packages that it has loaded native modules from."""
    threads: tuple[str, ...]
    """By name; before CPython 3.14 a thread has the name of the program."""
    children: tuple[int, ...]
    """Those that run CPython too."""

    def shares(self, namespace: str) -> bool:
        """Whether it is in the same namespace (``net``, ``mnt``) as this process."""
        try:
            return os.readlink(f"/proc/{self.pid}/ns/{namespace}") == os.readlink(f"/proc/self/ns/{namespace}")
        except OSError:
            return False


def read_process(pid: int) -> Process:
    """Read the process ``pid``. Raises ProcessError if there is none, it may not be read, or does not run CPython."""
    folder = Path(f"/proc/{pid}")
    try:
        status = _status(folder)
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessError(f"there is no process {pid}: write the id of one that runs, as `ps -ef` shows it") from None
    name = status["Name"]
    if int(status["Tgid"]) != pid:
        raise ProcessError(f"{pid} is a thread of process {status['Tgid']}: write --pid {status['Tgid']}")
    if status["State"].startswith(("Z", "X")):
        raise ProcessError(f"process {pid} ({name}) has ended, and its parent {status['PPid']} has not yet taken note of it")
    users = frozenset(int(text) for text in status["Uid"].split()[:3])
    own = _NATIVE["nanospan"]
    try:
        maps = _mapped_files(folder)
        if not maps:
            raise ProcessError(f"process {pid} ({name}) is a thread of the kernel, and does not run Python")
        return Process(
            pid=pid,
            users=users,
            command=_texts(folder / "cmdline"),
            python=_python_version(pid, name, maps),
            environment=_environment(folder),
            loaded=tuple(package for package, part in _NATIVE.items() if any(part in path for path in maps)),
            home=next((path.partition(own)[0] for path in maps if own in path), ""),
            replaced=any(own in path and path.endswith(_DELETED) for path in maps),
            package_folders=tuple(dict.fromkeys(found[1] for path in maps if (found := _FOLDER_OF_PACKAGES.match(path)))),
            threads=tuple(_thread_names(folder)),
            children=tuple(child for child in _children(folder) if _runs_python(child)),
        )
    except PermissionError:
        raise ProcessError(_not_permitted(pid, name, users)) from None
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessError(f"process {pid} ({name}) has ended") from None


def _status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _not_permitted(pid: int, name: str, users: frozenset[int]) -> str:
    if os.geteuid() in users:
        return (
            f"process {pid} ({name}) is yours, but the system lets nobody read it: it has changed its user since its start, "
            "or a policy forbids it (kernel.yama.ptrace_scope, a container without SYS_PTRACE). Run the doctor as root"
        )
    owner = _user_name(min(users))
    return f"process {pid} ({name}) is of user {owner}: run the doctor as that user (sudo -u {owner}), or as root"


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"


def _mapped_files(folder: Path) -> list[str]:
    lines = (folder / "maps").read_text("utf-8", "surrogateescape").splitlines()
    fields = (line.split(maxsplit=5) for line in lines)
    return list(dict.fromkeys(parts[5] for parts in fields if len(parts) == 6 and parts[5].startswith("/")))


def _python_version(pid: int, name: str, maps: list[str]) -> str:
    for path in maps:
        if found := _INTERPRETER.search(path.removesuffix(_DELETED)):
            return found[1] or f"{found[2]}.{found[3]}"
    if other := next(filter(None, map(_OTHER_INTERPRETER.search, maps)), None):
        raise ProcessError(f"process {pid} ({name}) runs {other[1] or other[2]}, and nanospan runs on CPython only")
    raise ProcessError(f"process {pid} ({name}) does not run Python: write the id of the application's own process")


def _runs_python(pid: int) -> bool:
    try:
        return any(_INTERPRETER.search(path.removesuffix(_DELETED)) for path in _mapped_files(Path(f"/proc/{pid}")))
    except OSError:
        return False


def _texts(path: Path) -> tuple[str, ...]:
    return tuple(path.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\0").split("\0"))


def _environment(folder: Path) -> dict[str, str]:
    pairs = (text.partition("=") for text in _texts(folder / "environ"))
    return {name: value for name, equals, value in pairs if name and equals}


def _thread_names(folder: Path) -> Iterator[str]:
    for task in sorted((folder / "task").iterdir(), key=lambda task: int(task.name)):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            yield (task / "comm").read_text("utf-8", "replace").strip()


def _children(folder: Path) -> Iterator[int]:
    for task in (folder / "task").iterdir():
        with contextlib.suppress(OSError):  # some kernels have no such file
            yield from map(int, (task / "children").read_text().split())
