"""Knows the accounts that a merchant has sent by and uses no more: their bill, and whom to forget there, remain.

Data flow: settings of an account, in each run that uses it -> a fact of its file -> the account as it was known last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import CLIENT, HOUSE, GupshupAccount, GupshupSettings, Price
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account.store import AccountStore

ACCOUNT: Final = "account"


def note(store: AccountStore) -> None:
    """Store what a bill and `forget` need of the store's account, for when it stands in no settings any more."""
    account = store.account
    price = None if account.price is None else [str(account.price.amount), account.price.currency]
    told = json.dumps({"number": account.number, "app_name": account.app_name, "price": price})
    if store.exists:
        with store.read() as db:
            known = db.execute("select value from facts where name = ?", [ACCOUNT]).fetchone()
        if known is not None and known["value"] == told:
            return
    with store.write() as db:
        db.execute("insert or replace into facts values (?, ?, '')", [ACCOUNT, told])


def accounts_of(run: Run, known: Mapping[str, GupshupAccount] | None = None) -> list[GupshupAccount]:
    """Return the accounts that a merchant has installed, then those by which it has sent before.

    Args:
        known: settings of other merchants' accounts, by id; they are newer than what was stored.
    """
    installed = run.merchant.section(GupshupSettings).accounts
    ids, found = {one.id for one in installed}, list(installed)
    folder = run.warehouse.data_dir / "accounts"
    for place in sorted(folder.iterdir()) if folder.exists() else ():
        if place.name in ids or not (place / "account.sqlite").exists():
            continue
        if (left := _left(run, place.name)) is not None:
            found.append((known or {}).get(place.name, left))
    return found


def _left(run: Run, account_id: str) -> GupshupAccount | None:
    """Return an account as it was known last; None: the merchant has never sent by it."""
    kind = CLIENT if account_id.startswith(f"{CLIENT}:") else HOUSE
    known: dict[str, Any] = {"id": account_id, "kind": kind, "number": None, "app_name": None, "price": None}
    with AccountStore.of(run, GupshupAccount.model_construct(**known)).read() as db:
        if db.execute("select 1 from claims where merchant = ? limit 1", [run.merchant.id]).fetchone() is None:
            return None
        row = db.execute("select value from facts where name = ?", [ACCOUNT]).fetchone()
    said = (try_object(row["value"]) if row is not None else None) or {}
    if isinstance(price := said.get("price"), list):
        known["price"] = Price.model_construct(amount=Decimal(price[0]), currency=price[1])
    return GupshupAccount.model_construct(**known | {name: said.get(name) for name in ("number", "app_name")})
