"""What the linters cannot hold: how many rooms there are, how large a module is, who uses Dagster's private parts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dagster

HOUSE = Path(__file__).resolve().parents[2] / "vs_st_pipeline"
LONGEST = 300
READ_AGAINST = "1.13"  # the minor version of Dagster whose private modules `defs/storage/` was read against


def test_the_house_has_about_ten_rooms() -> None:
    rooms = [path for path in HOUSE.iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) <= 10


def test_a_module_that_is_longer_than_300_lines_says_why_in_its_docstring() -> None:
    silent = []
    for path in HOUSE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST and "It is long because" not in (ast.get_docstring(ast.parse(text)) or ""):
            silent.append(str(path.relative_to(HOUSE)))
    assert silent == []


def test_only_one_room_uses_the_private_modules_of_dagster() -> None:
    private = re.compile(r"^\s*(?:from|import) dagster\._", re.MULTILINE)
    users = {path.relative_to(HOUSE).parent for path in HOUSE.rglob("*.py") if private.search(path.read_text("utf-8"))}
    assert users == {Path("defs") / "storage"}


def test_the_private_modules_of_dagster_are_of_the_version_that_they_were_read_against() -> None:
    minor = ".".join(dagster.__version__.split(".")[:2])
    assert minor == READ_AGAINST, (
        f"vs_st_pipeline/defs/storage/ uses private modules of Dagster as they were in {READ_AGAINST}, and {minor} is "
        "installed: read each import of `dagster._core` there against the new source, run `make proof PROOFS=slow`, "
        "and change READ_AGAINST"
    )
