"""Keeps a shop of any kind: run as `python -m vs_st_pipeline.sandbox.shop`. It has no API: it drops files and posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.shop import posts
from vs_st_pipeline.sandbox.shop.drops import write_drop
from vs_st_pipeline.sandbox.shop.tables import COLUMNS, KEYS, PARTS, key_of, parent_of

Table = dict[str, Record]


def stamp(at: datetime) -> str:
    """Return a moment as the shop writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Shop(AccountStandIn):
    """Several shops, each with its tables; what changed since its last drop is known.

    Attributes:
        folders, hooks_at: told once, and kept over a reset: where a shop drops, and where its posts go.
    """

    system = "shop"
    kinds = tuple(KEYS)
    acts = ("clock", "drops", "drop", "hook", "post")

    def accounts_opened(self) -> None:
        if not hasattr(self, "folders"):
            self.folders: dict[str, str] = {}
            self.hooks_at: dict[str, Record] = {}
        self.shops: dict[str, dict[str, Table]] = {}
        self.changed: dict[str, set[tuple[str, str]]] = {}
        for merchant in self.merchants.values():
            given = self.part(merchant).get("tables") or {}
            self.shops[merchant.id] = {name: {key_of(name, row): row for row in given.get(name, ())} for name in KEYS}
            self.changed[merchant.id] = set()

    def keys_of(self, merchant: Merchant) -> Record:
        return {"folder": self.folders.get(merchant.id)}

    # Nobody calls it.

    def caller(self, request: Request) -> Merchant | None:
        return None

    def refuse(self, request: Request, switches: Record) -> Answer:
        return self.denied(request, 404)

    def denied(self, request: Request, status: int) -> Answer:
        return json_answer({"message": "There is nothing here."}, status)

    def bad_json(self, request: Request) -> Answer:
        return self.denied(request, 400)

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        return self.denied(request, 404)

    # Records.

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return list(self.shops[merchant.id][kind].values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        row = self.shops[merchant.id][kind].get(id)
        if row is None:
            raise NoSuchRecord(f"{kind} {id}")
        return row

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        now = stamp(self.clock.now())
        empty: Record = dict.fromkeys(COLUMNS[kind])
        times: Record = {
            name: now for name in ("created_at", "updated_at", "added_at", "since") if name in COLUMNS[kind]
        }
        row = {**empty, **times, **fields}
        self._put(merchant, kind, row)
        return row

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        before = self.record(merchant, kind, id)
        empty: Record = dict.fromkeys(COLUMNS[kind])
        row = {**(empty if replace else before), **fields}
        if touch and "updated_at" in COLUMNS[kind] and "updated_at" not in fields:
            row["updated_at"] = stamp(self.clock.now())
        if key_of(kind, row) != id:
            del self.shops[merchant.id][kind][id]
        self._put(merchant, kind, row)
        return row

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        row = self.record(merchant, kind, id)
        del self.shops[merchant.id][kind][id]
        if kind in PARTS:
            self.changed[merchant.id].add((PARTS[kind], parent_of(kind, row)))

    def _put(self, merchant: Merchant, kind: str, row: Record) -> None:
        self.shops[merchant.id][kind][key_of(kind, row)] = row
        whole = (PARTS[kind], parent_of(kind, row)) if kind in PARTS else (kind, key_of(kind, row))
        self.changed[merchant.id].add(whole)

    # Drops and posts.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        match name:
            case "drops":
                self.folders[merchant.id] = str(body["folder"])
                return {"folder": self.folders[merchant.id]}
            case "drop":
                return self._drop(merchant, body)
            case "hook":
                self.hooks_at[merchant.id] = body
                return {}
            case "post":
                hook = {**self.hooks_at.get(merchant.id, {}), **(body.get("hook") or {})}
                style = str(self.switches.of(merchant.id)["post_style"])
                return posts.send(list(body["posts"]), hook, style, apart=bool(body.get("apart")))
        raise NoSuchRecord(name)

    def _drop(self, merchant: Merchant, body: Record) -> Record:
        home, now = body.get("folder") or self.folders.get(merchant.id), self.clock.now()
        if home is None:
            raise ValueError('say into which folder: {"folder": ...}, or once by `drops`')
        complete, switches = bool(body.get("complete", True)), self.switches.of(merchant.id)
        tables = body.get("rows") or self._tables(merchant, complete)
        named = body.get("tables") or [name for name in KEYS if name in tables]
        folder = _free(Path(str(home)), str(body.get("name") or now.strftime("%Y%m%dT%H%M%SZ")))
        counts = write_drop(
            folder,
            {name: tables.get(name, ()) for name in named},
            complete=complete,
            taken_at=str(body.get("taken_at") or now.isoformat()),
            format=str(switches["drop_format"]),
            style=str(switches["drop_style"]),
        )
        if "rows" not in body and "tables" not in body:
            self.changed[merchant.id].clear()
        return {"name": folder.name, "folder": str(folder), "tables": counts}

    def _tables(self, merchant: Merchant, complete: bool) -> dict[str, list[Record]]:
        """Return all rows of all tables, or those that changed, with the parts of what changed."""
        shop, changed = self.shops[merchant.id], self.changed[merchant.id]
        if complete:
            return {name: list(rows.values()) for name, rows in shop.items()}
        found = {}
        for name, rows in shop.items():
            if name in PARTS:
                of = {key for table, key in changed if table == PARTS[name]}
                found[name] = [row for row in rows.values() if parent_of(name, row) in of]
                if of:
                    continue  # a whole without parts has none any more: the table is named
            else:
                found[name] = _known(rows, (key for table, key in changed if table == name))
            if not found[name]:
                del found[name]
        return found

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        if name == "changed":
            return {m.id: sorted(map(list, self.changed[m.id])) for m in merchants}
        raise NoSuchRecord(name)


def _known(rows: Table, keys: Iterable[str]) -> list[Record]:
    return [rows[key] for key in sorted(keys) if key in rows]


def _free(home: Path, name: str) -> Path:
    """Return a folder that is not there yet: drops of one second come one after the other by name too."""
    number, found = 1, home / name
    while found.exists():
        number += 1
        found = home / f"{name}-{number}"
    return found
