"""Writes requirements.lock from setup.py: exact versions with hashes, wheels only, for every platform (needs `uv`)."""

from __future__ import annotations

import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch


def requirements() -> list[str]:
    """What setup.py asks for, the development tools included."""
    told: dict[str, Any] = {}
    with patch("setuptools.setup", lambda **given: told.update(given)):
        runpy.run_path("setup.py")
    return [*told["install_requires"], *told["extras_require"]["dev"]]


def main() -> None:
    """Compile the lock file in place; versions already locked stay unless they no longer fit."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.in"
        wanted.write_text("\n".join(requirements()) + "\n", encoding="utf-8")
        subprocess.run(
            [
                *("uv", "pip", "compile", str(wanted), "--output-file", "requirements.lock"),
                *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-build", "--quiet"),
                *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"),
            ],
            check=True,
        )


if __name__ == "__main__":
    main()
