"""Keeps claims with an account that several merchants share (routes.md R46): `accounts/<id>/account.sqlite`.

A key is claimed in one transaction that is on the disk before anything leaves, whichever process or merchant asks. The
file outlives every merchant's database. It knows people by salted hashes only.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from vs_st_pipeline.pipeline.once.claims import Claim, Claimed, News
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.warehouse.connection import Db

_TABLES = """
create table if not exists about (name text primary key, value text not null);
create table if not exists claims (
    key text primary key, merchant text not null, route text not null, kind text not null, entity text not null,
    tries integer not null, state text not null, at text not null, people text not null,
    detail text not null, changed integer not null
);
create index if not exists changed on claims (merchant, route, changed);
create table if not exists facts (
    merchant text, route text, name text, value text not null, at text not null, primary key (merchant, route, name)
);
"""
_SEEN, _FILE = "account_claims", "account_file"
WAIT_SECONDS = 60.0


class AccountClaims:
    """One merchant's and route's claims with an account."""

    def __init__(self, folder: Path, merchant_id: str, route: str) -> None:
        """Name the place.

        Args:
            folder: `accounts/<id>` below the data folder; made where it is not there.
        """
        self._path = folder / "account.sqlite"
        self._whose = (merchant_id, route)
        self._newest = (0, 0)

    def news(self, db: Db) -> News:
        """Return what has changed since it was last seen from this database."""
        known = dict(db.rows("select name, value from once.sequences where name in (?, ?)", [_SEEN, _FILE]))
        with self._open() as account:
            number, newest = self._about(account)
            lost = bool(known) and (known.get(_FILE) != number or known.get(_SEEN, 0) > newest)
            since = 0 if lost else known.get(_SEEN, 0)
            rows = account.execute(
                "select * from claims where merchant = ? and route = ? and changed > ? order by changed",
                [*self._whose, since],
            )
            claims = {row["key"]: _claim(row) for row in rows}
            facts = account.execute("select name, value from facts where merchant = ? and route = ?", self._whose)
            found = {row["name"]: row["value"] for row in facts}
        self._newest = (number, newest)
        stored = {row[0] for row in db.rows("select name from once.facts")}
        return News(claims, since == 0, lost, {name: value for name, value in found.items() if name not in stored})

    def seen(self, db: Db) -> None:
        """Note how far the outbox has come."""
        for name, value in zip((_FILE, _SEEN), self._newest, strict=True):
            db.execute("insert or replace into once.sequences values (?, ?)", [name, value])

    def find(self, keys: Collection[str]) -> Mapping[str, Claim]:
        """Return the claims of these keys, whichever database made them."""
        found: dict[str, Claim] = {}
        with self._open() as account:
            for key in keys:
                row = account.execute("select * from claims where key = ?", [key]).fetchone()
                if row is not None and row["state"] != Claimed.RELEASED:
                    found[key] = _claim(row)
        return found

    def claim(self, claim: Claim) -> Claim | None:
        """Claim a key; whoever was first has it, until it is released."""
        with self._open() as account, _writing(account):
            row = account.execute("select * from claims where key = ?", [claim.key]).fetchone()
            if row is not None and row["state"] != Claimed.RELEASED and not self._resends(row, claim):
                return _claim(row)
            self._put(account, claim, row)
        failpoint("evidence")
        return None

    def settle(self, claim: Claim) -> None:
        """Note what became of a claim. What is settled stays so, and nobody gives up another's."""
        with self._open() as account, _writing(account):
            row = account.execute("select * from claims where key = ?", [claim.key]).fetchone()
            if row is None or row["state"] == Claimed.RELEASED or (self._is_mine(row) and row["state"] == Claimed.OPEN):
                self._put(account, claim, row)
            elif row["state"] == Claimed.OPEN and claim.state is Claimed.ACCEPTED:
                self._put(account, claim, row, whose=(row["merchant"], row["route"]))
        failpoint("evidence")

    def fact(self, name: str, value: str, at: datetime) -> None:
        """Note what was decided once."""
        with self._open() as account, _writing(account):
            account.execute(
                "insert or ignore into facts values (?, ?, ?, ?, ?)", [*self._whose, name, value, at.isoformat()]
            )

    def _resends(self, row: sqlite3.Row, claim: Claim) -> bool:
        """Say whether an open claim is this route's own, for an earlier try that its kind's rule has sent again."""
        return self._is_mine(row) and row["state"] == Claimed.OPEN and bool(row["tries"] < claim.tries)

    def _is_mine(self, row: sqlite3.Row) -> bool:
        return (row["merchant"], row["route"]) == self._whose

    def _put(
        self,
        account: sqlite3.Connection,
        claim: Claim,
        before: sqlite3.Row | None,
        *,
        whose: tuple[str, str] | None = None,
    ) -> None:
        salt = account.execute("select value from about where name = 'salt'").fetchone()["value"]
        people = json.dumps([[kind, _hashed(salt, kind, value)] for kind, value in claim.people])
        account.execute(
            """insert or replace into claims
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (select coalesce(max(changed), 0) + 1 from claims))""",
            [
                *(claim.key, *(whose or self._whose), claim.kind, claim.entity, claim.tries, claim.state.value),
                *(claim.at.isoformat(), before["people"] if before and not claim.people else people),
                json.dumps(dict(claim.detail)),
            ],
        )

    def _about(self, account: sqlite3.Connection) -> tuple[int, int]:
        """Return a number that tells this file from another one, and the number of the newest change."""
        number = int(account.execute("select value from about where name = 'file'").fetchone()["value"])
        newest = account.execute("select coalesce(max(changed), 0) as newest from claims").fetchone()["newest"]
        return number, int(newest)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        is_new = not self._path.exists()
        make_own_folder(self._path.parent)
        if is_new:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)) as account:
            account.row_factory = sqlite3.Row
            account.execute("pragma journal_mode = wal")
            account.execute("pragma synchronous = full")
            if account.execute("select 1 from sqlite_master where name = 'facts'").fetchone() is None:
                with _writing(account):  # one transaction: another process sees all of it or nothing
                    for statement in _TABLES.split(";"):
                        account.execute(statement)
                    for name, value in (("salt", secrets.token_hex(16)), ("file", str(secrets.randbits(62)))):
                        account.execute("insert or ignore into about values (?, ?)", [name, value])
            yield account


@contextmanager
def _writing(account: sqlite3.Connection) -> Iterator[None]:
    account.execute("begin immediate")
    try:
        yield
    except BaseException:
        account.execute("rollback")
        raise
    account.execute("commit")


def _claim(row: sqlite3.Row) -> Claim:
    state, at = Claimed(row["state"]), datetime.fromisoformat(row["at"])
    return Claim(row["key"], row["kind"], row["entity"], row["tries"], state, at, detail=json.loads(row["detail"]))


def _hashed(salt: str, kind: str, value: str) -> str:
    return hashlib.blake2b(f"{kind} {value}".encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()
