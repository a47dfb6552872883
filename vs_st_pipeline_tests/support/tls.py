"""A test's own certificate authority, and a TLS server on loopback that shows a certificate of it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

_DAYS = "2"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own; `bundle` is what trusts it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Authority:
        folder.mkdir()
        made = cls(folder)
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", _DAYS),
            *("-subj", f"/CN=test {name}", "-keyout", str(made.key), "-out", str(made.bundle)),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
        )
        return made

    @property
    def bundle(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def key(self) -> Path:
        return self.folder / "ca.key"

    def hashed(self, folder: Path) -> None:
        """Put the authority into a folder of trusted certificates, under the name that OpenSSL looks for."""
        name = _openssl("x509", "-hash", "-noout", "-in", str(self.bundle)).strip()
        folder.joinpath(f"{name}.0").write_bytes(self.bundle.read_bytes())

    def certificate(self, subject: str) -> Path:
        """A file with key and certificate for a host, such as `IP:127.0.0.1` or `DNS:shop.example`."""
        name = subject.partition(":")[2]
        key, asked, told = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject}\nextendedKeyUsage=serverAuth\n", encoding="ascii")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(key), "-out", str(asked)),
        )
        _openssl(
            *("x509", "-req", "-in", str(asked), "-CA", str(self.bundle), "-CAkey", str(self.key), "-CAcreateserial"),
            *("-days", _DAYS, "-extfile", str(extensions), "-out", str(told)),
        )
        both = self.folder / f"{name}.both.pem"
        both.write_bytes(key.read_bytes() + told.read_bytes())
        return both


def _openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


_ANSWER = b'HTTP/1.1 200 Said\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"1"}'


class TlsServer:
    """Answers every request with `{"id": "1"}`; keeps the heads of what it was asked, and counts handshakes."""

    def __init__(self, certificate: Path) -> None:
        self.heads: list[str] = []
        self.handshakes = self.refused = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        try:
            with self._context.wrap_socket(plain, server_side=True) as conn, conn.makefile("rb") as lines:
                self.handshakes += 1
                while line := lines.readline():
                    head = line
                    while (line := lines.readline()) not in (b"\r\n", b""):
                        head += line
                    self.heads.append(head.decode("latin-1"))
                    conn.sendall(_ANSWER)
        except OSError:
            self.refused += 1
