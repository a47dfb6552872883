"""Explains how one person stands at each CRM, from what is stored; calls no system.

Data flow: staged.*, planned.*, synced.* -> orders, consents with what became of each, fields (`vs-st why`).

It shows addresses and values in full: the person who asks has the consumer on the line.

It is long because one answer is put together of all that is stored, part by part.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.emails import email_key, person_key
from vs_st_pipeline.domain.field_forms import MISSING_FIELD
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse import retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import codes, consumers, evidence, map_file, values
from vs_st_pipeline.routes.consumers.assets import TITLES
from vs_st_pipeline.routes.consumers.looking import OBJECT
from vs_st_pipeline.routes.consumers.settings import ConsentEntry, ConsumersSettings, records_all
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES
from vs_st_pipeline.routes.consumers.words import MEANINGS

Record = dict[str, Any]
SUBSCRIBED, ALREADY, AWAITING, WAITING = "subscribed", "already", "awaiting_confirmation", "waiting"
HELD, REJECTED, WITHDRAWN, VANISHED, UNMAPPED = "held", "rejected", "withdrawn", "vanished", "unmapped"


def why(run: Run, email: str) -> Record:
    """Return how a person stands: their orders, what became of each consent at each CRM, and the values there.

    Args:
        email: in any case, with any outer blanks.

    Returns:
        The object of `vs-st why --json` (consumers.md 8).
    """
    address = email_key(email)
    with run.open() as db:
        orders = _orders(db, address)
        rows = evidence.of_person(db, address)
        consents = [*_consents(run, db, address, rows)]
        fields = [field for crm in _crms(run.merchant) for field in _fields(run, db, crm, address)]
    return {
        "merchant": run.merchant.id,
        "route": run.route,
        "email": address,
        "orders": orders,
        "consents": consents,
        "fields": fields,
    }


def told(moment: datetime | None) -> str | None:
    """Return a time as all answers show it: ISO, UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _crms(merchant: Merchant) -> list[str]:
    return [crm for crm in CRM_NAMES if crm in merchant.sections]


def _orders(db: Db, address: str) -> list[Record]:
    rows = db.rows(
        """select order_id, status, class, read_at from staged.sopost_orders where email_key = ?
           order by ordered_at desc nulls last, order_id desc""",
        [address],
    )
    return [
        dict(zip(("order_id", "status", "class", "read_at"), (*row[:3], told(row[3])), strict=True)) for row in rows
    ]


# --- consents ---------------------------------------------------------------------------------------------------------


def _consents(run: Run, db: Db, address: str, acts: Sequence[Record]) -> list[Record]:
    entries = {entry.pair: entry for entry in run.merchant.section(ConsumersSettings).consents}
    rows = db.rows(
        """select c.order_id, c.consent_id, c.data_handler, c.status, c.given, c.entry, c.vanished_at, c.withdrawn_at,
                  o.counts, o.class
           from staged.consents as c join staged.sopost_orders as o using (order_id)
           where o.email_key = ? order by o.ordered_at desc nulls last, o.order_id desc, c.consent_id, data_handler""",
        [address],
    )
    found: list[Record] = []
    for order_id, consent_id, handler, status, given, entry, vanished, withdrawn, counts, order_class in rows:
        named = {"consent_id": consent_id, "data_handler": handler, "order_id": order_id}
        this = consumers.spent_as(order_id, consent_id, handler)
        mapped = entries.get((loosely(consent_id), loosely(handler)))
        targets = _targets(run.merchant, mapped) if entry == "mapped" and mapped is not None else []
        if not targets:
            reason = {"unmapped": None, "mapped": None}.get(entry, entry)
            done = [
                row
                for row in acts
                if consumers.spent_as(row["order_id"], row["consent_id"], row["data_handler"]) == this
            ]  # before it was taken out of the settings
            found.append({"crm": None, **named, "target": None, "state": UNMAPPED, "reason": reason, "evidence": done})
        for crm, target in targets:
            mine = [
                row
                for row in acts
                if (row["crm"], row["target"]) == (crm, target)
                and consumers.spent_as(row["order_id"], row["consent_id"], row["data_handler"]) == this
            ]
            state, reason = _state(run, db, crm, target, address, mine, given=given, status=status, counts=counts,
                                   order_class=order_class, vanished=vanished, withdrawn=withdrawn)  # fmt: skip
            found.append({"crm": crm, **named, "target": target, "state": state, "reason": reason, "evidence": mine})
    return found


def _targets(merchant: Merchant, entry: ConsentEntry) -> list[tuple[str, str]]:
    return [(crm, target.id) for crm in _crms(merchant) if (target := entry.target(crm)) is not None]


def _state(
    run: Run,
    db: Db,
    crm: str,
    target: str,
    address: str,
    acts: Sequence[Record],
    *,
    given: bool,
    status: str | None,
    counts: bool,
    order_class: str,
    vanished: datetime | None,
    withdrawn: datetime | None,
) -> tuple[str, str | None]:
    """Return what became of one consent at one target, and why; what was done comes before what is wanted."""
    if withdrawn is not None:
        undone = next((row for row in reversed(acts) if row["action"] == "unsubscribe"), None)
        return WITHDRAWN, None if undone is None else f"unsubscribed: {undone['outcome']}"
    last = next((row for row in reversed(acts) if row["outcome"] != "not_done"), None)
    if last is not None:
        return _of_evidence(last)
    if vanished is not None:
        return VANISHED, None
    if not counts:
        return WAITING if order_class == "pending" else HELD, f"order_{order_class}"
    if not given:
        refused = {loosely(word) for word in run.merchant.section(SoPostSettings).consent_refused}
        return HELD, "refused" if loosely(status or "") in refused else "unknown_consent_status"
    key = person_key(address)
    reject = db.row(
        "select code from synced.subscription_rejects where crm = ? and key = ? and target = ?", [crm, key, target]
    ) or db.row("select code from synced.rejects where system = ? and object = 'consumer' and id = ?", [crm, key])
    if reject is not None:
        return REJECTED, reject[0]
    planned = db.row(f"select held from planned.{crm}_consumers where key = ?", [key])
    if planned is not None and planned[0] is not None:
        return HELD, planned[0]
    return WAITING, "not_planned_yet" if planned is None else "not_written_yet"


def _of_evidence(row: Record) -> tuple[str, str | None]:
    outcome, action = row["outcome"], row["action"]
    if outcome == "undone":
        return HELD, "unsubscribed_there"
    if outcome == "unknown":
        return WAITING, "unknown"
    if outcome in (AWAITING, REJECTED):
        return outcome, row["code"]
    return ALREADY if action == ALREADY else SUBSCRIBED, "add_to_list" if action == "add_to_list" else None


# --- fields -----------------------------------------------------------------------------------------------------------


def _fields(run: Run, db: Db, crm: str, address: str) -> list[Record]:
    """Return what each field of the map should say, what was accepted of it, and what the last plan changes."""
    key = person_key(address)
    accepted = {
        row[0]: row[1:]
        for row in db.rows(
            """select field, sent, stored, accepted_at, run_id from synced.ledger
               where system = ? and object = 'consumer' and id = ?""",
            [crm, key],
        )
    }
    planned = db.row(
        f"""select changes, coalesce(held, case when without_consent then 'without_consent' end), noted
            from planned.{crm}_consumers where key = ?""",
        [key],
    )
    loaded = consumers.load(run, db, crm, [address])
    if planned is None and not accepted and not loaded:
        return []
    changes = {one["field"]: one["new"] for one in json.loads(planned[0])} if planned is not None else {}
    if not (accepted or changes or records_all(run.merchant, crm) or any(one.has_standing for one in loaded)):
        return []  # nobody is written there without a consent
    field_map = map_file.load(run.merchant, crm)
    wants = (
        {one.field: one.value for one in values.wanted(loaded[0], field_map, None, run.merchant.time_zone)[0]}
        if loaded
        else {}
    )
    is_rejected = retries.read_rejected(db).get(Ref(crm, OBJECT, key)) is not None
    found = []
    for one in field_map.fields:
        sent, stored, at, run_id = accepted.get(one.to, (None, None, None, None))
        if one.to in changes and changes[one.to] != sent:
            state = REJECTED if is_rejected else HELD if planned is not None and planned[1] is not None else WAITING
        elif sent is not None:
            state = "synced"
        elif planned is not None and wants.get(one.to) and MISSING_FIELD in json.loads(planned[2]):
            state = MISSING_FIELD
        elif planned is not None:  # it was looked at, and there is nothing to change
            state = "synced" if planned[1] is None else HELD
        else:
            state = WAITING
        should = changes.get(one.to, sent if state == "synced" else wants.get(one.to))
        orders = loaded[0].orders if loaded else ()
        found.append(
            {
                "crm": crm,
                "field": one.to,
                "value": should,
                "live": stored if stored is not None else sent,
                "rule": f"{one.source or one.value}, {one.policy}",
                "sources": [{"system": SOPOST, "kind": "order", "id": order} for order in orders],
                "accepted_at": told(at),
                "run_id": run_id,
                "state": state,
            }
        )
    return found


# --- for people -------------------------------------------------------------------------------------------------------

_SAYS: Final = {
    SUBSCRIBED: "subscribed",
    ALREADY: "was there already",
    AWAITING: "has to confirm by mail",
    WAITING: "waits",
    HELD: "held",
    REJECTED: "refused there",
    WITHDRAWN: "withdrawn",
    VANISHED: "no longer shown by the order; subscribes nobody",
    UNMAPPED: "leads nowhere: not in consumers.consents",
}
_REASONS: Final = {
    "ignored": "listed with `ignore: true`",
    "order_rejected": "the order was rejected",
    "order_pending": "the order is pending",
    "order_approved": "the order's activity is not wanted, or it has no usable address",
    "order_later": "the order's status is not listed, and it was never seen approved",
    "refused": "the person said no",
    "not_planned_yet": "the next sync plans it",
    "not_written_yet": "the next sync writes it",
    "unknown": "it was sent, and what became of it is looked for",
    "add_to_list": "only a list was missing",
}


def why_lines(answer: Record, merchant: Merchant) -> list[str]:
    """Say it for people, in the merchant's time zone; what a reason means is said where it stands first."""
    lines, means = [f"{answer['email']} at {merchant.name}"], set[str]()
    if not answer["orders"] and not answer["fields"]:
        return [*lines, "  no order that was read has this address; what no webhook told was never seen"]
    for order in answer["orders"]:
        lines.append(
            f"  order {order['order_id']}: {order['status']} ({order['class']}), read {_at(order['read_at'], merchant)}"
        )
    for one in answer["consents"]:
        where = f"{TITLES[one['crm']]} {one['target']}" if one["crm"] else "nowhere"
        lines.append(f"  consent {one['consent_id']} for {one['data_handler']} (order {one['order_id']})")
        lines.append(f"      {where}: {_SAYS[one['state']]}{_because(one['state'], one['reason'], means)}")
        if one["state"] == REJECTED and REJECTED not in means:
            lines.append("      it is tried again by itself, with growing gaps; `vs-st retry` tries at once")
            means.add(REJECTED)
        for row in one["evidence"]:
            done = f"{row['action']}, {row['outcome']}"
            lines.append(f"      {_at(row['sent_at'], merchant)} {done}; stood there before: {row['state_before']}")
    shown = {one["crm"] for one in (*answer["consents"], *answer["fields"])}
    for crm in _crms(merchant):
        if crm not in shown:
            lines.append(f"  nothing is written at {TITLES[crm]}: no consent leads there")
    for crm in dict.fromkeys(field["crm"] for field in answer["fields"]):
        lines.append(f"  fields at {TITLES[crm]}")
        for field in answer["fields"]:
            if field["crm"] == crm and (field["value"] or field["live"]):
                value, live = field["value"] or "(empty)", field["live"] or "(empty)"
                wants = "" if field["state"] == "synced" else f" -> {value}"
                lines.append(f"      {field['field']:28} {live}{wants}   [{field['rule']}; {field['state']}]")
    return lines


def _because(state: str, reason: str | None, means: set[str]) -> str:
    """Return why, by its word, and the first time by what it means; `means` has the words that were explained."""
    word = codes.NO_CODE if state == REJECTED and not reason else reason
    if not word:
        return ""
    says = codes.meaning(word) if state == REJECTED else _REASONS.get(word) or MEANINGS.get(word)
    name = f"{state} {word}"  # one and the same word means another thing where the person refused
    is_new = says and name not in means
    means.add(name)
    return f" ({word}): {says}" if is_new else f" ({word})"


def _at(text: str | None, merchant: Merchant) -> str:
    if text is None:
        return "never"
    return f"{datetime.fromisoformat(text).astimezone(merchant.time_zone):%Y-%m-%d %H:%M}"
