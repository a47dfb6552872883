"""Makes a certificate for stand-ins that speak TLS on loopback, signed by an authority that lives for one use.

The `openssl` command does it: no package of the lock file can sign. The authority's key is gone when this is done, so
nobody can sign another certificate that whoever trusts `authority` would accept.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = "2"
ELLIPTIC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")  # as most servers have it today

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM.

    Attributes:
        authority: certificate of who signed; a client that trusts it trusts the server.
        certificate, key: the server's own, for 127.0.0.1 and localhost.
    """

    authority: Path
    certificate: Path
    key: Path

    def bundle(self, trusted: Path) -> Path:
        """Write a CA bundle of those in another bundle and this authority; returns where it is."""
        path = self.authority.with_name("bundle.pem")
        path.write_bytes(trusted.read_bytes() + b"\n" + self.authority.read_bytes())
        return path


def can_be_made() -> bool:
    """Say whether the command that makes them is there."""
    return shutil.which("openssl") is not None


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a server's certificate in a folder, which is made with mode 0700 if it is not there.

    Raises:
        RuntimeError: `openssl` is not there, or fails.
    """
    if not can_be_made():
        raise RuntimeError("sandbox: TLS needs the command `openssl`")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    signing = folder / "authority.key"
    own, theirs = folder / "authority.cnf", folder / "server.cnf"
    own.write_text(_CONFIG.format(name="Sandbox authority"), encoding="utf-8")
    theirs.write_text(_CONFIG.format(name="Sandbox"), encoding="utf-8")
    try:
        _openssl(
            *("req", "-x509", *ELLIPTIC, "-keyout", signing, "-out", made.authority),
            *("-days", DAYS, "-config", own, "-extensions", "authority"),
        )
        asked = folder / "server.csr"
        _openssl("req", "-new", *ELLIPTIC, "-keyout", made.key, "-out", asked, "-config", theirs)
        _openssl(
            *("x509", "-req", "-in", asked, "-CA", made.authority, "-CAkey", signing, "-CAcreateserial"),
            *("-out", made.certificate, "-days", DAYS, "-extfile", theirs, "-extensions", "server"),
        )
    finally:
        signing.unlink(missing_ok=True)
    made.key.chmod(0o600)
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"sandbox: openssl {arguments[0]} failed: {done.stderr.strip()[-300:]}")
