"""Types the commands of a page into a shell, as a person at a terminal would, one after the other.

The shell is a bash at a terminal of its own: commands find a terminal, `&` and `kill %1` work, and what asks a question
is answered by what the test gave. A bash that waits for a line says by its prompt how the last command ended, or that
the command goes on in the next line (a here-document, a backslash, a quote).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import socket
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

READY, MORE = re.compile(r"@@ended (\d+)@@\r?\n"), "@@more@@"
EXIT = re.compile(r"#.*\bexit (\d)\b")
LONGEST = 600.0  # seconds that a command may take
Questions = Sequence[tuple[str, str]]
"""What a command asks, and what is typed then, in turn."""


class NotSo(AssertionError):
    """A command of a page did not do what the page says."""


class DocShell:
    """A shell; a context manager.

    Args:
        folder: where it begins.
        environ: all of its environment.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        quiet = termios.tcgetattr(theirs)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, quiet)
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            **{"stdin": theirs, "stdout": theirs, "stderr": theirs},
            cwd=folder, env={**environ, "PS1": "", "PS2": MORE, "PROMPT_COMMAND": 'echo "@@ended $?@@"'},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self._said, self._began = "", 0
        self._await(0, "the start of bash", ())

    def __enter__(self) -> DocShell:
        return self

    def __exit__(self, *_: object) -> None:
        mine = psutil.Process(self._bash.pid)
        below = mine.children(recursive=True)
        for process in below:
            _quietly(process.terminate)
        psutil.wait_procs(below, 10)
        for process in [*below, mine]:
            _quietly(process.kill)
        self._bash.wait(10)
        os.close(self._ours)

    def type(
        self,
        text: str,
        place: str,
        answers: Mapping[str, Questions] | None = None,
        stopped: Mapping[str, int] | None = None,
    ) -> Iterator[tuple[str, str]]:
        """Type the lines of a block; yield each command with what it printed, before the next one is typed.

        Args:
            text: the lines. A comment that says `exit 1` says how its command ends; any other must end with 0.
            place: where the block stands, for a message.
            answers: by a part of a command, what it asks and what is typed.
            stopped: by a part of a command that runs until Ctrl-C, the port on which it listens once it is up.

        Raises:
            NotSo: a command ended otherwise, or does not end.
        """
        command: list[str] = []
        for line in text.splitlines():
            if not command and (not line.strip() or line.lstrip().startswith("#")):
                continue
            since = len(self._said)
            self._began = self._began if command else since
            command.append(line)
            os.write(self._ours, f"{line}\n".encode())
            whole = "\n".join(command)
            asked = next((says for part, says in (answers or {}).items() if part in whole), ())
            port = next((port for part, port in (stopped or {}).items() if part in whole), None)
            if port is not None:
                self._stop_once_it_listens(port, whole)
            status = self._await(since, f"{place}: {whole}", asked)
            if status is None:
                continue
            said = READY.sub("", self._said[self._began :]).replace("\r", "").replace(MORE, "")
            expected = int(found[1]) if (found := EXIT.search(whole)) else 0
            if status != expected and port is None:
                raise NotSo(f"{place}: `{whole}` ended with {status} and not {expected}:\n{said[-3000:]}")
            yield whole, said
            command = []
        if command:
            raise NotSo(f"{place}: this is no whole command: {command}")

    def until_said(self, text: str, seconds: float = 60.0) -> None:
        """Wait until the last command, in the background, has printed it.

        Raises:
            NotSo: it did not come.
        """
        self._read_until(
            lambda: text if text in self._said[self._began :] else None, f"`{text}` was not printed", seconds
        )

    def _await(self, since: int, what: str, asked: Questions) -> int | None:
        """Return how the command ended; None: it goes on in the next line."""
        left = list(asked)

        def ended() -> str | None:
            nonlocal since
            said = self._said[since:]
            if left and left[0][0] in said:
                since += said.index(left[0][0]) + len(left[0][0])
                os.write(self._ours, f"{left.pop(0)[1]}\n".encode())
                said = self._said[since:]
            if (found := READY.search(said)) is not None:
                return found[1]
            return MORE if MORE in said else None

        status = self._read_until(ended, f"it does not end: {what}", LONGEST)
        if left and status != MORE:
            raise NotSo(f"{what}: it did not ask {left[0][0]!r}:\n{self._said[-3000:]}")
        return None if status == MORE else int(status)

    def _stop_once_it_listens(self, port: int, command: str) -> None:
        """Press Ctrl-C when a command is up."""
        self._read_until(lambda: "up" if listens(port) else None, f"{command} is not up", LONGEST)
        os.write(self._ours, b"\x03")

    def _read_until(self, happened: Callable[[], str | None], otherwise: str, seconds: float) -> str:
        ends = time.monotonic() + seconds
        while (found := happened()) is None:
            if time.monotonic() > ends:
                raise NotSo(f"{otherwise}:\n{self._said[-3000:]}")
            if select.select([self._ours], [], [], 0.2)[0]:
                self._said += os.read(self._ours, 65_536).decode(errors="replace")
        return found


def until_listens(port: int, seconds: float = 60.0) -> None:
    """Wait until something listens on a port of this machine.

    Raises:
        NotSo: nothing does.
    """
    ends = time.monotonic() + seconds
    while not listens(port):
        if time.monotonic() > ends:
            raise NotSo(f"nothing listens on port {port}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _quietly(end: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        end()
