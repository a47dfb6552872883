"""Looks at the merchants file again and again, and keeps the last good table where it cannot be read (H14)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.receiver.table import Maker, Table, values_of
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform import crash_reports
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

EVERY: Final = 5.0
_QUARTER: Final = 900  # seconds; at the end of one it may be midnight somewhere, and somebody may turn active


class Watch:
    """Holds the table in force.

    Attributes:
        table: replaced as a whole, so whoever takes it has one that belongs together.
    """

    table: Table

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        maker: Maker,
        tell: Callable[..., None],
        *,
        every: float = EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._environ, self._maker, self._tell = path, environ, maker, tell
        self._every, self._clock = every, clock
        self._seen: Any = None
        self._told: tuple[str, ...] = ()
        self._besides: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def begin(self) -> None:
        """Read the file.

        Raises:
            BadSettings: it cannot be read, or gives no URL at all because of what is wrong in it.
        """
        self._seen = self._look()
        found = read_merchants(self._path, self._environ, secrets=False, all_bad=True)
        self.table = self._maker.make(found, None)
        if not self.table.own and found.bad:
            raise found.bad[0].error
        self._warn(_wrong(found))

    def start(self, besides: Callable[[], None]) -> None:
        """Go on looking, in a thread; `besides` is called each time, too."""
        self._besides = besides
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> None:
        """Look once; a file that has changed is read."""
        seen = self._look()
        if seen != self._seen:
            try:
                found = read_merchants(self._path, self._environ, secrets=False, all_bad=True, nobody=True)
            except BadSettings as error:  # read again at the next look: what is wrong may be over, and no time change
                self._warn([f"{error.message}; what the file said before stays in force"])
                return
            self._seen = seen
            self.table = self._maker.make(found, self.table)
            self._warn(_wrong(found))
        elif self.table.secrets and values_of(self.table.secrets, self._environ) != self.table.secrets:
            self.table = self._maker.with_secrets(self.table.own, self.table.hooks)
            self._warn([])

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.look()
            except Exception as error:  # the table stays, and the next look may go well
                self._tell(f"warning: {crash_reports.describe(error)}")
            self._besides()

    def _look(self) -> Any:
        """Return what is another as soon as a file is; reads none."""
        folder = self._path if self._path.is_dir() else self._path.parent / "merchants.d"
        files: list[Any] = [_stat(self._path)]
        try:
            with os.scandir(folder) as found:
                files += sorted((one.name, _stat(Path(one.path))) for one in found if one.name.endswith(".yaml"))
        except OSError:
            pass
        return files, int(self._clock()) // _QUARTER, self._maker.proved()

    def _warn(self, wrong: list[str]) -> None:
        """Print what is wrong, once for as long as it is."""
        said = tuple(f"warning: {sentence}" for sentence in (*wrong, *self.table.warnings))
        if new := [one for one in said if one not in self._told]:
            self._tell(*new)
        self._told = said


def _wrong(found: MerchantsFile) -> list[str]:
    """Return what is wrong in a file, a sentence each."""
    shared = [one.fault.message for one in found.shared if one.fault is not None]
    return list(dict.fromkeys([*shared, *(bad.error.message for bad in found.bad)]))


def _stat(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
