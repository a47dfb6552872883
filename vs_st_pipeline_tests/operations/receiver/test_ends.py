"""How the real command begins and ends (webhooks-onboarding.md H13, H15): sockets, signals, exit codes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.cli.trouble import to_do
from vs_st_pipeline.domain.errors import BadSettings, PipelineError
from vs_st_pipeline.operations.receiver.figures import Figures
from vs_st_pipeline.operations.receiver.processes import receive
from vs_st_pipeline.operations.receiver.sockets import is_loopback
from vs_st_pipeline.platform.inbox.disk import InboxUnusable, network_disk, refuse_network_disk
from vs_st_pipeline_tests.support.receiving import (
    HILLSIDE,
    SECRET,
    SHOP,
    command,
    entry,
    environment,
    order,
    until,
    url,
    write_settings,
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def test_h15_it_listens_says_where_takes_calls_and_ends_with_0(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    metrics = free_port()
    with command(tmp_path, "--port", "0", "--metrics-port", str(metrics)) as running:
        assert running.process is not None
        assert running.call(url(), order()).status == 204
        assert running.call(f"/hooks/{SHOP}/nothing", order()).status == 404
        told = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5).read().decode()
        assert 'vs_st_hooks_requests_total{system="vinoshipper",status="204"} 1\n' in told
        assert 'vs_st_hooks_requests_total{system="vinoshipper",status="404"} 1\n' in told
        assert "vs_st_hooks_store_seconds_count 1\n" in told
        assert "vs_st_inbox_waiting 1\n" in told
        assert "vs_st_inbox_oldest_waiting_seconds " in told
        assert HILLSIDE not in told
        slow = running.connected()
        slow.sendall(f"POST {url()} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{".encode())
        quiet = http.client.HTTPConnection("127.0.0.1", running.port)
        quiet.request("POST", url(), order())
        assert quiet.getresponse().read() == b""
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(ConnectionError):
            running.connected()
        quiet.request("POST", url(), order())
        late = quiet.getresponse()
        assert (late.status, late.getheader("connection")) == (204, "close"), "it was on its way"
        slow.sendall(b"}")
        assert slow.recv(1000).startswith(b"HTTP/1.1 204 "), "a call under way ends"
        slow.close()
        _, err = running.process.communicate(timeout=10)
        assert running.process.returncode == 0
        assert len(running.entries()) == 4
        token = url().rpartition("/")[2]
        assert token not in err
        assert err.count(" hillside-cellars 204 ") == 4
    stored = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert stored == ["inbox.sqlite"], "nobody else's file is touched"
    assert (tmp_path / "data" / "inbox.sqlite").stat().st_mode & 0o777 == 0o600


def refused(folder: Path, **how: Any) -> PipelineError:
    """Why it cannot begin; the console script turns `BadSettings` into 2, and any other into 1."""
    with pytest.raises(PipelineError) as found:
        receive(environment(folder), lambda *_: None, lambda _: None, **{"port": 0, **how})
    assert SECRET not in str(found.value)
    return found.value


def test_h15_a_port_that_is_taken_and_an_inbox_that_is_unusable_are_1(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = [refused(tmp_path, port=port), refused(tmp_path, metrics_port=port), refused(tmp_path, host="no host")]
        assert all("cannot be listened at" in error.message for error in found)
        with socket.socket() as deaf:
            found += [refused(tmp_path, fd=deaf.fileno()), refused(tmp_path, fd=777)]
    (tmp_path / "data" / "inbox.sqlite").write_bytes(b"this is no database at all" * 100)
    found.append(refused(tmp_path))
    assert "cannot be written" in found[-1].message
    for error in found:  # it is this machine's trouble and no fault of ours: the message itself says what to do
        assert "attempting to bind" not in error.message
        assert any(what in error.message for what in ("name another", "hand over", "move it away"))
        assert to_do(error) == ""
    assert not any(isinstance(error, BadSettings) for error in found)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"VS_ST_HOOK_SECRET": ""}, "VS_ST_HOOK_SECRET is not set"),
        ({"HOOK_SECRET": "x" * 31}, "shorter than 32"),
        ({"VS_ST_HOOK_SECRET": "env:NOT_THERE"}, "NOT_THERE is not set"),
        ({"VS_ST_NOW": "soon"}, "VS_ST_NOW"),
        ({"VS_ST_MERCHANTS": "/no/such/file.yaml"}, "cannot be read"),
    ],
)
def test_settings_that_are_not_understood_are_2(tmp_path: Path, more: dict[str, str], said: str) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    with pytest.raises(BadSettings, match=said):
        receive(environment(tmp_path, **more), lambda *_: None, lambda _: None, port=0)


@pytest.mark.slow
def test_h15_a_socket_that_is_handed_over_holds_calls_while_it_restarts(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    statuses: list[int] = []
    ends = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        os.set_inheritable(listening.fileno(), True)
        port = listening.getsockname()[1]

        def call() -> None:
            while not ends.is_set():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("POST", url(), order())
                statuses.append(connection.getresponse().status)
                connection.close()
                time.sleep(0.005)

        fd = listening.fileno()
        caller = threading.Thread(target=call)
        for turn in range(2):
            with command(tmp_path, "--fd", str(fd), fds=(fd,)) as running:
                assert running.process is not None
                assert running.port == port
                if turn == 0:
                    caller.start()
                before = len(statuses)
                until(lambda before=before: len(statuses) > before + 20)  # type: ignore[misc]
                if turn == 1:
                    ends.set()
                    caller.join()
                running.process.send_signal(signal.SIGTERM)
                assert running.process.wait(10) == 0
                stored = len(running.entries())
    assert set(statuses) == {204}
    assert stored == len(statuses)


@pytest.mark.slow
def test_several_processes_share_the_socket_and_one_that_dies_comes_back(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    metrics = free_port()
    with command(tmp_path, "--port", "0", "--processes", "2", "--metrics-port", str(metrics)) as running:
        assert running.process is not None

        def children() -> list[int]:
            found = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")  # type: ignore[union-attr]
            return [int(one) for one in found.read_text().split()]

        until(lambda: len(children()) == 2)
        for _ in range(30):
            assert running.call(url(), order()).status == 204
        first = children()
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(children()) == 2 and children() != first)
        for _ in range(30):
            assert running.call(url(), order()).status == 204
        until(lambda: _fetched(metrics) is not None)
        assert 'status="204"} 60' in (_fetched(metrics) or "")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(15) == 0
        assert len(running.entries()) == 60


@pytest.mark.slow
def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    with command(tmp_path, "--port", "0", "--processes", "2") as running:
        assert running.process is not None
        assert running.call(url(), order()).status == 204
        running.process.kill()
        running.process.wait()

        def gone() -> bool:
            try:
                running.connected().close()
            except ConnectionError:
                return True
            return False

        until(gone)


def _fetched(port: int) -> str | None:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()  # type: ignore[no-any-return]
    except OSError:
        return None


def test_h15_beyond_this_machine_it_warns() -> None:
    alone = ("127.0.0.1", "127.8.9.1", "::1", "/run/vs-st.sock")
    beyond = ("0.0.0.0", "::", "192.0.2.1", "fe80::1%eth0")
    assert [is_loopback(host) for host in (*alone, *beyond)] == [True] * 4 + [False] * 4


# --- what is counted --------------------------------------------------------------------------------------------------


def test_h13_figures_of_all_processes_add_up() -> None:
    figures = Figures(["shop"], 3)
    for process in range(3):
        figures.belong_to(process)
        figures.count("shop", "204")
        figures.stored(0.0004)
    figures.count("other", "404")
    figures.stored(7.0)
    told = figures.text()
    assert 'vs_st_hooks_requests_total{system="shop",status="204"} 3' in told
    assert 'vs_st_hooks_requests_total{system="other",status="404"} 1' in told
    assert 'vs_st_hooks_store_seconds_bucket{le="0.001"} 3' in told
    assert 'vs_st_hooks_store_seconds_bucket{le="5.0"} 3' in told
    assert 'vs_st_hooks_store_seconds_bucket{le="+Inf"} 4' in told
    assert "vs_st_hooks_store_seconds_count 4" in told


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "found"),
    [("nfs4", "nfs4"), ("cifs", "cifs"), ("fuse.sshfs", "fuse.sshfs"), ("ext4", None), ("overlay", None),
     ("fuse.mergerfs", None)],
)  # fmt: skip
def test_h19_on_a_network_disk_the_inbox_is_refused(
    tmp_path: Path, kind: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "20 1 0:999 / /other rw - nfs4 host:/x rw\n"
        f"21 1 {os.major(device)}:{os.minor(device)} / {tmp_path} rw,relatime shared:1 - {kind} host:/x rw\n"
    )
    assert network_disk(tmp_path / "not" / "there", mounts) == found
    assert network_disk(tmp_path, tmp_path / "no mounts") is None
    monkeypatch.setattr("vs_st_pipeline.platform.inbox.disk.network_disk", lambda _: found)
    if found:
        with pytest.raises(InboxUnusable, match="network disk"):
            refuse_network_disk(tmp_path)
    else:
        refuse_network_disk(tmp_path)
