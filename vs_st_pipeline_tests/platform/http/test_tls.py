"""TLS against a real server: who is refused, and that all clients of a process share what a bundle trusts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadSettings, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform.http.client import Bearer, HttpClient
from vs_st_pipeline_tests.support.tls import Authority, TlsServer

LOOPBACK = "IP:127.0.0.1"


class _NoPace:
    def wait(self) -> float:
        return 0.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "theirs", "stranger")


@pytest.fixture
def server(authority: Authority) -> Iterator[TlsServer]:
    server = TlsServer(authority.certificate(LOOPBACK))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def client_of(url: str) -> HttpClient:
    return HttpClient(system="shop", base_url=url, auth=Bearer("key"), pace=_NoPace(), give_up_after=0)


def ask(url: str) -> object:
    client = client_of(url)
    try:
        return client.request("c", "GET", "/x", shape=JSON).value
    finally:
        client.close()


def refused(url: str) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        ask(url)
    return caught.value


def test_a_certificate_of_the_bundle_that_the_environment_names_passes(
    authority: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    assert ask(server.url) == {"id": "1"}


def test_a_folder_of_certificates_is_a_bundle_too(
    authority: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.hashed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert ask(server.url) == {"id": "1"}


def test_whom_the_usual_bundle_does_not_know_is_refused_and_told_nothing(server: TlsServer) -> None:
    error = refused(server.url)
    assert isinstance(error, TryLater)
    assert "secure connection" in error.message
    assert server.heads == []


def test_another_authority_is_refused_however_often_the_right_one_passed(
    authority: Authority, stranger: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    ask(server.url)
    other = TlsServer(stranger.certificate(LOOPBACK))
    assert isinstance(refused(other.url), TryLater)
    assert other.heads == []
    other.close()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.bundle))
    assert isinstance(refused(server.url), TryLater)
    assert len(server.heads) == 1


@pytest.mark.parametrize("subject", ["DNS:shop.example", "IP:127.0.0.2"])
def test_a_certificate_for_another_host_is_refused(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    server = TlsServer(authority.certificate(subject))
    assert isinstance(refused(server.url), TryLater)
    assert server.heads == []
    server.close()


def test_a_bundle_that_is_not_there_is_a_setting_and_one_that_is_none_trusts_nobody(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert isinstance(refused(server.url), BadSettings)
    tmp_path.joinpath("odd.pem").write_text("no certificate\n", encoding="ascii")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "odd.pem"))
    assert isinstance(refused(server.url), TryLater)
    assert server.heads == []


def test_a_bundle_that_is_replaced_is_read_again(
    authority: Authority, stranger: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(stranger.bundle.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert isinstance(refused(server.url), TryLater)
    tmp_path.joinpath("new").write_bytes(authority.bundle.read_bytes())
    tmp_path.joinpath("new").replace(bundle)
    assert ask(server.url) == {"id": "1"}


def test_a_bundle_is_read_once_for_many_clients_and_connections(
    authority: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.bundle.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    made: list[ssl.SSLContext] = []
    make = urllib3.util.ssl_.create_urllib3_context

    def counted(*arguments: object, **more: object) -> ssl.SSLContext:
        made.append(make(*arguments, **more))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(urllib3.util.ssl_, "create_urllib3_context", counted)
    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", counted)
    clients = [client_of(server.url) for _ in range(5)]
    for _ in range(2):
        for client in clients:
            client.request("c", "GET", "/x", shape=JSON)
    for client in clients:
        client.close()  # the next request connects anew
        client.request("c", "GET", "/x", shape=JSON)
    assert len(server.heads) == 15
    assert server.handshakes == 10, "each client has connections of its own, and keeps them"
    assert len(made) == 1
    assert (made[0].verify_mode, made[0].check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_handshake_that_fails_sends_nothing(
    stranger: Authority, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.bundle))
    client = client_of(server.url)
    with pytest.raises(NotSent):
        client.post_once("c", server.url + "/x", b"{}")
    client.close()
    assert server.heads == []


def test_a_connection_that_ends_within_the_handshake_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            met, _ = listener.accept()
            with met:
                met.recv(1)

        meeting = threading.Thread(target=hang_up)
        meeting.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        client = client_of(url)
        with pytest.raises(NotSent):
            client.post_once("c", url + "/x", b"{}")
        client.close()
        meeting.join()
