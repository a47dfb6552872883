"""Checks a merchant without changing anything: are both keys good, which SKUs and rates are missing, what is doubtful.

It asks each system a few cheap questions and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.connectors import commerce7, vinoshipper
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.domain.errors import BadKey, Forbidden, PipelineError, Refused
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import products
from vs_st_pipeline.routes.orders.session import OrdersSession, open_session
from vs_st_pipeline.routes.orders.systems import NAME, SHOP
from vs_st_pipeline.routes.orders.told import decoded

Record = dict[str, Any]
MOST_SHOWN: Final = 20
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""An order that is none: whether apps may look at messages is asked of it, where no order is known yet."""
_WITHOUT_CODE: Final = "orders of which Commerce7 names no code"


@dataclass(slots=True)
class OrdersCheck(CheckResult):
    """What `check` found.

    Attributes:
        accounts: what each system says of whose account the key opens.
        skus: of the shop that the shipper does not sell in the same letters: sku, found.
        rates: rows of `orders.rates` that orders want and that are not there: carrier, code, orders.
        app_sync: whether apps may leave messages on orders; None: not known.
    """

    accounts: dict[str, str] = field(default_factory=dict)
    skus: list[Record] = field(default_factory=list)
    rates: list[Record] = field(default_factory=list)
    app_sync: bool | None = None

    def as_json(self) -> Record:
        whole = CheckResult.as_json(self)
        whole |= {"accounts": self.accounts, "skus": self.skus, "rates": self.rates, "app_sync": self.app_sync}
        return whole

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        lines = CheckResult.lines(self, name)
        lines += [f"  {system}: {says}" for system, says in self.accounts.items()]
        if self.skus:
            shown = ", ".join(one["sku"] for one in self.skus[:MOST_SHOWN])
            more = f" and {len(self.skus) - MOST_SHOWN} more" if len(self.skus) > MOST_SHOWN else ""
            lines.append(
                f"  {len(self.skus)} SKUs are not sold at Vinoshipper in the same letters: {shown}{more}; "
                "`vs-st orders products` compares all"
            )
        if self.rates:
            lines.append("  orders want ways of shipping that stand in no row of orders.rates:")
            lines += [
                f"      - {{carrier: {one['carrier'] or '?'}, code: {one['code']}, rate_carrier: ..., "
                f"rate_code: ...}}   # {counted(one['orders'], 'orders')}"
                if one["code"]
                else f"      none fits {counted(one['orders'], _WITHOUT_CODE)}: ship by hand"
                for one in self.rates
            ]
        return lines


def new_result(merchant_id: str, error: PipelineError | None = None) -> OrdersCheck:
    """Return a result of this route with nothing found yet, or with why nothing can be."""
    return OrdersCheck(merchant_id, NAME, good="both keys are good", errors=[error] if error else [])


def check(run: Run) -> OrdersCheck:
    """Ask both systems whether the keys are good and what is there; write nothing. One's trouble is its own."""
    found = new_result(run.merchant.id)
    for question in (_look_at_what_is_stored, _ask_shop, _ask_shipper):
        with open_session(run) as session:
            question(session, found)
        if session.report.status == FAILED and session.report.error:
            found.errors.append(session.report.error)
    if any(isinstance(error, BadKey) and error.system == SHOP for error in found.errors):
        tenant = run.merchant.section(Commerce7Settings).tenant
        found.doubts.append(
            f"Commerce7 refuses the key in the same way where the app is not installed for the tenant `{tenant}`, or "
            "where commerce7.tenant is misspelled"
        )
    return found


def _look_at_what_is_stored(session: OrdersSession, found: OrdersCheck) -> None:
    settings = session.settings
    if settings.mode == "shadow":
        found.doubts.append("orders.mode is `shadow`: nothing is written anywhere")
    if settings.start_at(session.run.merchant.time_zone) > session.run.now():
        found.doubts.append(f"orders.start lies ahead ({settings.start}): no order is sent that is paid before it")
    if not session.run.file().exists():
        return
    with session.run.open() as db:
        found.skus = [
            {"sku": one.sku, "found": one.found}
            for one in products.compare(db)
            if one.found in (products.ONLY_SHOP, products.CASE_DIFFERS)
        ]
        if not products.is_known(db, vinoshipper.CONNECTOR.name):
            found.skus = []
        found.rates = _missing_rates(db)
        found.unreadable = [
            {"kind": "order", "id": row[0], "why": f"order {row[0] or 'without an id'} at Commerce7 cannot be read"}
            for row in db.rows("select order_id from synced.order_notes where note = 'unreadable' order by 1")
        ]
        if db.value("select 1 from synced.order_notes where note = 'no_messages' limit 1") is not None:
            found.app_sync = False


def _missing_rates(db: Db) -> list[Record]:
    counts: dict[tuple[str, str], int] = {}
    for (says,) in db.rows("select says from synced.orders where state = 'failed' and code = 'unknown_rate'"):
        told = decoded(says or "")
        told = told if isinstance(told, dict) else {}
        key = (str(told.get("carrier") or ""), str(told.get("code") or ""))
        counts[key] = counts.get(key, 0) + 1
    return [
        {"carrier": carrier or None, "code": code or None, "orders": count}
        for (carrier, code), count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]


def _ask_shop(session: OrdersSession, found: OrdersCheck) -> None:
    _look(session.shop, commerce7.CONNECTOR.title, commerce7.CONNECTOR.setup, session, found)
    _ask_for_messages(session, found)


def _ask_shipper(session: OrdersSession, found: OrdersCheck) -> None:
    client: VinoshipperClient = session.client(vinoshipper.CONNECTOR)
    _look(client, vinoshipper.CONNECTOR.title, vinoshipper.CONNECTOR.setup, session, found)


def _look(client: Any, title: str, setup: AccountSetup[Any] | None, session: OrdersSession, found: OrdersCheck) -> None:
    assert setup is not None
    seen: AccountSeen = setup.look(client, session.run.merchant)
    found.accounts[title] = seen.says
    found.doubts += [*seen.disagrees.values(), *([seen.lacks] if seen.lacks else [])]


def _ask_for_messages(session: OrdersSession, found: OrdersCheck) -> None:
    """Ask whether the app may look at messages: who may not may hardly write any."""
    if session.settings.messages == "off":
        return
    order_id = None
    if session.run.file().exists():
        with session.run.open() as db:
            order_id = db.value(
                "select id from raw.commerce7_orders where gone_at is null order by paid_at desc limit 1"
            )
    try:
        session.shop.app_syncs(order_id or NOBODY)
    except Forbidden:
        found.app_sync = False
    except Refused as error:
        if error.http_status != 404:
            raise
        found.app_sync = found.app_sync if order_id is None else False
    else:
        found.app_sync = True if found.app_sync is None else found.app_sync
    if found.app_sync is False:
        found.doubts.append(
            "the app may not leave messages on orders at Commerce7 (app-sync is forbidden); all else goes on. Give it "
            "that right, or set orders.messages: off"
        )
