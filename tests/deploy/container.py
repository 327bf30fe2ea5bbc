"""What the Dockerfile says of a running container, and a real one like it: a root of its own, read-only, and no rights.

No engine is needed: mount and process namespaces, ``chroot`` and ``setpriv`` are what an engine uses, too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
TOOLS = ("unshare", "mount", "chroot", "setpriv")
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    rest: str

    def exec_form(self) -> list[str]:
        """Words of an instruction in the exec form; raises ValueError where a shell would run it."""
        found = json.loads(self.rest[self.rest.index("[") :])
        assert isinstance(found, list)
        return [str(word) for word in found]


def instructions(path: Path) -> list[Instruction]:
    """Instructions of a Dockerfile, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    parts = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(part[0].upper(), part[1].strip()) for part in parts]


def last_stage(found: Sequence[Instruction]) -> list[Instruction]:
    """Instructions of the image itself, without the stages that it copies from."""
    start = max(place for place, instruction in enumerate(found) if instruction.word == "FROM")
    return list(found[start:])


def environment_of(stage: Sequence[Instruction]) -> dict[str, str]:
    """Environment that a container starts with."""
    pairs = (shlex.split(instruction.rest) for instruction in stage if instruction.word == "ENV")
    return dict(pair.split("=", 1) for words in pairs for pair in words)


def can_confine() -> bool:
    """Whether this machine lets us make namespaces: root, and the tools of util-linux."""
    if os.getuid() != 0 or any(shutil.which(tool) is None for tool in TOOLS):
        return False
    tried = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Container:
    """A root folder in which commands run as a numbered user who owns nothing of it.

    Attributes
    ----------
    root
        Folder in which the root is put together; empty, outside nobody sees what is mounted there.
    user
        Number of user and group.
    readable, writable
        Folders of this machine that are there under their own names; everything else is this machine's system, which
        cannot be written either.
    temporary
        Folder that is /tmp in there.
    """

    root: Path
    user: int
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    temporary: Path

    @contextmanager
    def running(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Process]:
        """Run a command as the first process of the container, which gets no other variables; ends it afterwards."""
        with log.open("wb") as out:
            outer = subprocess.Popen(self._words(command), env=dict(environment), stdout=out, stderr=out)
        process = Process(outer)
        try:
            yield process
        finally:
            process.end()

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of its own and wait for it."""
        words = self._words(command)
        return subprocess.run(
            words, env=dict(environment), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    def _words(self, command: Sequence[str]) -> list[str]:
        rights = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--no-new-privs"]
        rights += ["--bounding-set=-all", "--inh-caps=-all"]
        inside = ["chroot", str(self.root), "setpriv", *rights, *command]
        unshare = ["/usr/bin/unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        return [
            *unshare,
            "sh",
            "-euc",
            f"PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; {self._mounts()}; exec {shlex.join(inside)}",
        ]

    def _mounts(self) -> str:
        root = shlex.quote(str(self.root))
        temporary = shlex.quote(str(self.temporary))
        made = [f"mount -t tmpfs -o mode=0755 tmpfs {root}", f"mkdir {root}/tmp {root}/proc"]
        made += [f"mount --bind {temporary} {root}/tmp", f"mount -o remount,rw,noexec,nosuid,nodev,bind {root}/tmp"]
        made += [f"mount -t proc proc {root}/proc"]
        for path in (*map(Path, SYSTEM), *self.readable):
            made += self._bind(path, "ro")
        for path in (*map(Path, DEVICES), *self.writable):
            made += self._bind(path, "rw")
        return "; ".join([*made, f"mount -o remount,ro,bind {root}"])

    def _bind(self, path: Path, mode: str) -> list[str]:
        if not path.exists():
            return []
        source, target = shlex.quote(str(path)), shlex.quote(f"{self.root}{path}")
        place = f"mkdir -p {target}" if path.is_dir() else f"mkdir -p $(dirname {target}); touch {target}"
        return [place, f"mount --bind {source} {target}", f"mount -o remount,{mode},bind {target}"]


class Process:
    """The first process of a container, seen from outside."""

    def __init__(self, outer: subprocess.Popen[bytes]) -> None:
        self.outer = outer

    @property
    def pid(self) -> int:
        """Its number on this machine; outside it is the only child of the one that made the namespaces."""
        (child,) = self._children()
        return child

    @property
    def status(self) -> dict[str, str]:
        """What the kernel says of it."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def stop(self) -> int:
        """Ask it to stop as an engine does, and return what the container ended with."""
        os.kill(self.pid, signal.SIGTERM)
        return self.outer.wait(PATIENCE_S)

    def end(self) -> None:
        """End it, whatever it does; the outer process alone would leave it, as `--kill-child` ends at setpriv."""
        if self.outer.poll() is None:
            for process in self._children() or [self.outer.pid]:
                os.kill(process, signal.SIGKILL)
            self.outer.wait(PATIENCE_S)

    def _children(self) -> list[int]:
        return [
            int(word) for word in Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        ]


def interpreter_folders() -> tuple[Path, ...]:
    """Folders that our own interpreter, its libraries and the code under test lie in."""
    named = {Path(sys.base_prefix), Path(sys.prefix), *(Path(entry) for entry in sys.path if entry)}
    named |= {Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry}
    there = sorted(path.resolve() for path in named if path.is_dir() and not str(path).startswith(SYSTEM))
    return tuple(path for path in there if not any(other != path and path.is_relative_to(other) for other in there))
