"""What docs/scale.md has one start, on this machine: PostgreSQL, Redis, Dagster's web server and daemon, and workers.

All of it lives below one temporary folder and on loopback, with the settings of `deploy/`, and ends with the block.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from proof import opens

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv-scale" / "bin"
WORKER = ("dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", "deploy/celery.yaml")
HINT = "apt-get install postgresql redis-server; make scale"
Record = dict[str, Any]


def wait_until(what: str, is_so: Callable[[], Any], seconds: float, every: float = 0.2) -> Any:
    """What `is_so` answers, once that is true.

    Raises:
        TimeoutError: it never was.
    """
    give_up_at = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what} took over {seconds:.0f} s")
        time.sleep(every)
    return answer


@dataclass
class Boxes:
    """All that runs."""

    folder: Path
    environment: dict[str, str]
    web: str
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """Of `opens`."""
        return self.folder / "opens"

    def start(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """A program in a session of its own, so that it and its children can be killed as a machine is switched off."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                env=self.environment | environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def start_worker(self, name: str) -> None:
        """A Celery worker as docs/scale.md starts it; besides, it keeps the journal of opened files."""
        known = {opens.JOURNAL: str(self.journal), opens.WORKER: name}
        settings = str(ROOT / WORKER[-1])
        command = [*WORKER[:-1], settings, "-n", name, "-i", "proof.opens", "--", "--concurrency=1"]
        self.workers[name] = self.start(name, *command, **known)

    def kill_worker(self, name: str) -> None:
        """Power off: the worker and the run in it get SIGKILL at once."""
        process = self.workers.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tell_logs(self) -> None:
        """The end of what each program said, for whoever has to find out."""
        for log in sorted(self.folder.glob("*.log")):
            said = [line[:300] for line in log.read_text(errors="replace").splitlines()[-15:]]
            print(f"-- {log.name}", *said, sep="\n", flush=True)

    def close(self) -> None:
        """End what is left, gently at first."""
        for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            for process in self._started:
                try:
                    os.killpg(process.pid, number)
                except ProcessLookupError:
                    continue
            give_up_at = time.monotonic() + patience
            for process in self._started:
                try:
                    process.wait(max(0.1, give_up_at - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue

    def ask(self, query: str, **variables: Any) -> Record:
        """What the web server answers to a GraphQL query, as it answers the UI."""
        answer = requests.post(f"{self.web}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        if answer.get("errors"):
            raise RuntimeError(answer["errors"][0]["message"])
        [found] = answer["data"].values()
        assert isinstance(found, dict)
        return found


@contextmanager
def started(folder: Path, merchants: Path, workers: Sequence[str]) -> Iterator[Boxes]:
    """All of it, until the block ends; the web server answers."""
    if not (BIN / "dagster-celery").exists():
        raise SystemExit(f"{BIN.parent.name} is not there: {HINT}")
    folder.chmod(0o711)  # PostgreSQL's user has to reach his own folder below
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.yaml", home)
    with ExitStack() as stack:
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("VS_ST_", "DAGSTER_"))},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DAGSTER_HOME": str(home),
            "DAGSTER_POSTGRES_URL": stack.enter_context(postgres(folder)),
            "REDIS_URL": stack.enter_context(redis(folder)),
            "VS_ST_MERCHANTS": str(merchants),
            "VS_ST_DATA_DIR": str(folder / "data"),
        }
        boxes = Boxes(folder, environment, f"http://127.0.0.1:{port}")
        stack.callback(boxes.close)
        stack.push(lambda kind, *_: boxes.tell_logs() if kind else None)
        workspace = str(ROOT / "workspace.yaml")
        boxes.start("web", "dagster-webserver", "-w", workspace, "-h", "127.0.0.1", "-p", str(port))
        wait_until("the web server's start", lambda: _answers(port), 120)
        boxes.start("daemon", "dagster-daemon", "run", "-w", workspace)
        for name in workers:
            boxes.start_worker(name)
        yield boxes


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own below `folder`, by its URL. It refuses to run as root, so root lends it a user."""
    data, port = folder / "postgres", free_port()
    data.mkdir(mode=0o700)
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    who: Record = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    if who:
        shutil.chown(data, user)
    quiet: Record = {"stdout": subprocess.DEVNULL, "cwd": "/", **who}
    subprocess.run([_program("initdb"), "-D", str(data), "-A", "trust", "-U", "dagster"], check=True, **quiet)
    command = [_program("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    with (folder / "postgres.log").open("ab") as log:
        server = subprocess.Popen(command, stderr=log, **quiet)
    try:
        wait_until("PostgreSQL's start", lambda: _answers(port), 30)
        database = [_program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster"]
        wait_until(
            "PostgreSQL's database", lambda: not subprocess.run(database, stderr=subprocess.DEVNULL).returncode, 30
        )
        yield f"postgresql+psycopg2://dagster@127.0.0.1:{port}/dagster"
    finally:
        server.send_signal(signal.SIGINT)  # at once, whoever is still connected
        server.wait(30)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis of our own, by its URL."""
    port = free_port()
    command = [_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_until("Redis's start", lambda: _answers(port), 30)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    """One that nobody listens at just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    """Debian puts PostgreSQL's programs beside the path, by version."""
    found = shutil.which(name) or next(
        iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        sys.exit(f"{name} is not there: {HINT}")
    return str(found)
