"""What SimpleTexting's errors say."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.client import error_code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": "CONFLICT", "errorCode": "INVALID_CONTACT", "code": "OTHER"}, "INVALID_CONTACT"),
        ({"errorCode": "UNKNOWN_ERR", "code": "INVALID_INPUT_VALUE"}, "INVALID_INPUT_VALUE"),
        ({"code": "LOCAL_OPT_OUT"}, "LOCAL_OPT_OUT"),
        ({"code": "a sentence, perhaps about a person"}, None),
        ({}, None),
    ],
)
def test_code_of_an_error(body: dict[str, Any], code: str | None) -> None:
    assert error_code(body) == code
