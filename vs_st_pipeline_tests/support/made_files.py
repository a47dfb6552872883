"""Makes each new file of a merchant as a copy of one that was made before: making one costs 70 ms, a copy 1 ms.

The first file of a layout is made by the real thing, once per process, and is what `migrate` has left: but for the
times in `schema_version` every file of a layout is the same. Tests about the making itself do without this (`OWN`).
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import Layout

OWN = ("platform/warehouse", "contracts/test_route")
"""Where files are made step by step, killed in between, or looked at as files."""
_MERCHANT = "template"


class _Templates:
    """One file for each layout that was asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Any, Path] = {}
        self._being_made = False

    def copy(self, route: str, layout: Layout, path: Path) -> None:
        """Put a copy in the place of a file that is not there, unless another thread or process was first."""
        if self._being_made:
            return
        key = (layout.lineages, layout.legacy is None)
        if key not in self._made:
            self._made[key] = self._make(route, layout, len(self._made))
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.copyfile(self._made[key], beside)
        beside.chmod(0o600)
        with suppress(FileExistsError):
            os.link(beside, path)
        beside.unlink()

    def _make(self, route: str, layout: Layout, number: int) -> Path:
        warehouse = Warehouse(self._folder / str(number), {route: layout})
        self._being_made = True
        try:
            with warehouse.open(_MERCHANT, route):
                pass
            warehouse.release(_MERCHANT, route)
        finally:
            self._being_made = False
        return warehouse.file(_MERCHANT, route)


@functools.cache
def _templates() -> _Templates:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return _Templates(Path(folder.name))


def use(patch: pytest.MonkeyPatch) -> None:
    """Have all files of merchants that this process makes be copies, as long as the patch holds."""
    attach = Warehouse._attach

    def attached(self: Warehouse, held: Any) -> Any:
        if not held.path.exists() and not held.log.exists():
            _templates().copy(held.route, self.layouts[held.route], held.path)
        return attach(self, held)

    patch.setattr(Warehouse, "_attach", attached)
