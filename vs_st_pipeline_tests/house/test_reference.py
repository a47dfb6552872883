"""The reference says what the code says (routes.md R28)."""

from __future__ import annotations

import runpy
from pathlib import Path

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.platform.settings.model import fields_of

ROOT = Path(__file__).resolve().parents[2]


def test_r28_the_reference_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["page"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == made, "run python scripts/reference.py"
    for connector in CONNECTORS:
        for key in fields_of(connector.settings):
            assert f"| `{key}` |" in made
