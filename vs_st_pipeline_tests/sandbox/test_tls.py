"""The stand-ins speak TLS as the vendors do: who trusts their authority syncs, and nobody else says a word to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts.sync import sync
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.certificates import Certificates, can_be_made, make_certificates

pytestmark = pytest.mark.skipif(not can_be_made(), reason="the command `openssl` is not there")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def box(certificates: Certificates) -> Iterator[Sandbox]:
    with Sandbox("small", tls=certificates) as box:
        yield box


def test_a_sync_over_tls_does_all_that_a_sync_does(
    box: Sandbox, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.reset()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.bundle(Path(certifi.where()))))
    report = _synced(box, tmp_path)
    assert (report.status, report.error) == ("ok", None)
    assert report.accepted > 0


@pytest.mark.parametrize("trusted", ["requests' own", "another authority of the same name"])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    box.reset()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    if trusted != "requests' own":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificates(tmp_path / "other").authority))
    report = _synced(box, tmp_path)
    assert report.status == "failed"
    assert report.error is not None
    assert "No secure connection could be made" in str(report.error)
    assert box.vinoshipper.control.journal() + box.simpletexting.control.journal() == []


def test_a_caller_that_never_shakes_hands_keeps_nobody_waiting(box: Sandbox) -> None:
    place = urlsplit(box.vinoshipper.url)
    with socket.create_connection((place.hostname, place.port), 5):
        box.reset()
        assert box.vinoshipper.control.call("GET", "health")["system"] == "vinoshipper"


def test_the_key_that_signed_is_gone(certificates: Certificates) -> None:
    keys = [path.name for path in certificates.key.parent.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys == [certificates.key.name]
    assert certificates.key.stat().st_mode & 0o077 == 0


def test_the_peer_of_the_benchmarks_refuses_such_a_certificate_too(
    box: Sandbox, certificates: Certificates, tmp_path: Path
) -> None:
    """What our requests are measured against verifies as well, or it would be cheaper than anybody may be."""
    asks = tmp_path / "asks.json"
    asks.write_text(json.dumps([[("GET", f"{box.simpletexting.url}/__control__/health", {}, None)]]))
    command = [sys.executable, "-m", "benchmarks.requests_alone", str(asks), "1", "0"]
    root = Path(__file__).resolve().parents[2]
    ended = {}
    for bundle in (certificates.authority, Path(certifi.where())):
        environment = {**os.environ, "PYTHONPATH": str(root), "REQUESTS_CA_BUNDLE": str(bundle)}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        ended[bundle.name] = (done.returncode, "CERTIFICATE_VERIFY_FAILED" in done.stderr)
    assert ended == {"authority.pem": (0, False), "cacert.pem": (1, True)}


def _synced(box: Sandbox, folder: Path) -> Report:
    settings = box.write_settings(folder, give_up_after="1s")
    merchant = read_merchants(settings, {}).merchants[0]
    return sync(Run(merchant, warehouse_at(folder / "data"), lambda: datetime.now(UTC)))
