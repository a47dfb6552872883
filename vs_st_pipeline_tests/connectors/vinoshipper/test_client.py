"""What Vinoshipper's errors say."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.client import error_code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"type": "VALIDATION", "errors": [{"code": "invalid"}]}}, "VALIDATION"),
        ({"error": {"errors": [{"code": "invalid"}]}}, "invalid"),
        ({"error": {"errors": []}}, None),
        ({"error": "odd"}, None),
        ({}, None),
    ],
)
def test_code_of_an_error(body: dict[str, Any], code: str | None) -> None:
    assert error_code(body) == code
