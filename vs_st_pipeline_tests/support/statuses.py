"""A fleet as its syncs leave it, without syncing: a merchants file, and standings that the pipeline itself writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.operations.fleet import health
from vs_st_pipeline.operations.fleet.health import Fleet, MerchantHealth
from vs_st_pipeline.pipeline.status_file import write_status

NOW = datetime(2026, 11, 3, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ENTRY = "vinoshipper: {api_key: 'env:K', api_secret: 'env:K'}, simpletexting: {api_token: 'env:K'}"


class Files:
    """A merchants file and a data folder as many syncs would leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(folder / "data"),
            "VS_ST_NOW": NOW.isoformat(),
            "K": "key",
        }
        self.lines: list[str] = []

    def merchant(self, merchant: str, more: str = "") -> None:
        self.lines.append(f"  - {{id: {merchant}, name: {merchant.title()}, {ENTRY}{more}}}")
        (self.folder / "merchants.yaml").write_text("merchants:\n" + "\n".join(self.lines) + "\n")
        (self.folder / "data" / "merchants" / merchant).mkdir(parents=True, exist_ok=True)

    def synced(self, merchant: str, ago: timedelta, kind: str | None = None, **told: Any) -> None:
        """A run so long ago; `kind` is that of its error."""
        error = (
            {"kind": kind, "system": told.get("system", "vinoshipper"), "message": "it went wrong", "http_status": None}
            if kind
            else None
        )
        run = {
            "status": "failed" if kind else told.get("status", "ok"),
            "error": error,
            "planned": {"contacts": 1},
            "synced": {"accepted": told.get("accepted", 0)},
            "calls": {"vinoshipper": 5, "simpletexting": 2},
        }
        write_status(
            self.folder / "data", merchant, NOW - ago, run,
            good=not kind, waiting=told.get("waiting", (0, 0)),
        )  # fmt: skip

    def look(self, **environ: str) -> Fleet:
        return health.fleet_health({**self.environ, **environ})

    def one(self, merchant: str, **environ: str) -> MerchantHealth:
        return next(one for one in self.look(**environ).stands if one.merchant == merchant)
