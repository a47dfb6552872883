"""Reminds whoever changes what a plan is worked out by that former plans may not stand any more.

A sync that finds everything as it was keeps the former plan (`pipeline/plan_cache.py`). Whether new code would plan
otherwise is known to a person only, so here is a digest of the code of each part beside its number. `python -m
vs_st_pipeline_tests.house.test_plan_versions` stores the digests of now.
"""

from __future__ import annotations

import ast
import json
from hashlib import blake2b
from pathlib import Path

import pytest

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.pipeline import plan_cache
from vs_st_pipeline.routes.contacts import plan_inputs as contacts

ROOT = Path(__file__).resolve().parents[2] / "vs_st_pipeline"
STORED = Path(__file__).with_name("plan_versions.json")
COMMAND = "python -m vs_st_pipeline_tests.house.test_plan_versions"

DOMAIN = (
    *("attributes", "birth", "brake", "customer", "diff", "eligibility", "field_map", "formats", "matching", "order"),
    *("order_history", "phone", "plan", "records"),
)
PARTS: dict[str, tuple[int, str, list[str]]] = {
    "domain": (
        plan_cache.PLAN_VERSION,
        "pipeline/plan_cache.py",
        [
            *(f"domain/{name}.py" for name in DOMAIN),
            *(f"pipeline/{name}.py" for name in ("incremental", "plan_cache", "planning", "safety", "staged_records")),
        ],
    ),
    "vinoshipper": (
        vinoshipper.CONNECTOR.plan_version,
        "connectors/vinoshipper/plan_inputs.py",
        [
            f"connectors/vinoshipper/{name}.py"
            for name in ("carried", "kinds", "limitations", "parse", "plan_inputs", "staging", "staging_orders")
        ],
    ),
    "simpletexting": (
        simpletexting.CONNECTOR.plan_version,
        "connectors/simpletexting/plan_inputs.py",
        [
            f"connectors/simpletexting/{name}.py"
            for name in ("builtin_fields", "consent", "custom_fields", "emails", "plan_inputs", "stored_contacts")
        ],
    ),
    "contacts": (
        contacts.PLAN_VERSION,
        "routes/contacts/plan_inputs.py",
        [
            f"routes/contacts/{name}.py"
            for name in ("demand", "identity", "plan_inputs", "plan_rows", "planning", "safety")
        ],
    ),
}


def code_of(path: Path) -> str:
    """Return a module's lines without docstrings, lines that are comments, and blanks around them."""
    text = path.read_text(encoding="utf-8")
    said = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = (line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in said)
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def now(part: str) -> dict[str, int | str]:
    version, _, files = PARTS[part]
    code = "\n".join(code_of(ROOT / name) for name in files)
    return {"version": version, "code": blake2b(code.encode(), digest_size=8).hexdigest()}


@pytest.mark.parametrize("part", PARTS)
def test_a_change_of_what_plans_are_made_by_is_a_new_version(part: str) -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8")).get(part)
    assert now(part) == stored, (
        f"the code that plans of '{part}' are made by is another one than the one that has this number: if a plan may "
        f"come out otherwise for the same records, raise PLAN_VERSION in vs_st_pipeline/{PARTS[part][1]}; "
        f"in any case store what it is now with `{COMMAND}`"
    )


if __name__ == "__main__":
    STORED.write_text(json.dumps({part: now(part) for part in PARTS}, indent=2) + "\n", encoding="utf-8")
