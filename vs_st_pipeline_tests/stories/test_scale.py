"""What docs/scale.md says to do is what `python -m proof distributed` does; here only that both speak of the same."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

from proof import boxes

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_every_variable_of_the_settings_is_explained() -> None:
    files = [(ROOT / "deploy" / name).read_text(encoding="utf-8") for name in ("dagster.yaml", "celery.yaml")]
    wanted = {name for text in files for name in re.findall(r"env: (\w+)", text)}
    assert wanted == {"DAGSTER_POSTGRES_URL", "REDIS_URL"}
    assert [name for name in sorted(wanted) if name not in TEXT] == []
    assert all(yaml.safe_load(text) for text in files)


def test_the_worker_is_started_as_it_says() -> None:
    assert shlex.join(boxes.WORKER) in TEXT


def test_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:deploy|vs_st_pipeline)/[\w./]+)`", TEXT))
    assert len(named) >= 4
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_lock_file_has_all_that_setup_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dependency that came later than a lock file was made would be missing on the machines that install from it."""
    monkeypatch.chdir(ROOT)
    for lock, wanted in runpy.run_path("scripts/lock.py")["requirements"]().items():
        locked = set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
        names = {re.split(r"[^\w.-]", one, maxsplit=1)[0].lower() for one in wanted}
        assert len(names) >= 3
        assert names - locked == set(), lock
