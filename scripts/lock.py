"""Writes the lock files from setup.py: exact versions with hashes, wheels only, for every platform (needs `uv`)."""

from __future__ import annotations

import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

OWN = "requirements.lock"
SCALE = "deploy/requirements.lock"  # what it shares with the first has the versions that the tests ran with


def requirements() -> dict[str, list[str]]:
    """What setup.py asks for by lock file: of the project, of the peers of `make bench`, of the site, of more boxes."""
    told: dict[str, Any] = {}
    with patch("setuptools.setup", lambda **given: told.update(given)):
        runpy.run_path("setup.py")
    wanted, extras = told["install_requires"], told["extras_require"]
    return {
        OWN: [*wanted, *extras["dev"]],
        "benchmarks/requirements.lock": extras["bench"],
        "docs/requirements.lock": extras["docs"],
        SCALE: [*wanted, *extras["scale"], "setuptools", "wheel"],  # the last two install this very project
    }


def main() -> None:
    """Compile the lock files in place; versions already locked stay unless they no longer fit."""
    for lock, wanted in requirements().items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "requirements.in"
            source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
            subprocess.run(
                [
                    *("uv", "pip", "compile", str(source), "--output-file", lock),
                    *(("--constraint", OWN) if lock == SCALE else ()),
                    *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-build", "--quiet"),
                    *("--no-annotate", "--no-header"),
                ],
                check=True,
            )


if __name__ == "__main__":
    main()
