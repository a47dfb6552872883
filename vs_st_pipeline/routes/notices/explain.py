"""Explains what was said about one order, and why each other message was not, from what is stored (notices.md 9).

Data flow: staged.notice_orders, journey_events, recipients, consents; planned.notices; synced.notices, actions;
staged.activity -> one answer. It shows data in full: the person who asks has the customer on the line. Calls no system.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline.routes.notices import status_map
from vs_st_pipeline.routes.notices.meanings import CODES_MEAN, MEANINGS
from vs_st_pipeline.routes.notices.settings import NoticesSettings

Record = dict[str, Any]
ARGUMENTS: Final = ("ORDER", "[STATUS]")
OFF: Final = "no message: its notification is off"
FORGOTTEN_ORDER: Final = "notice order"  # the kind under which the orders of forgotten people are known
NOT_JUDGED: Final = "no message: it is not judged yet"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?")  # in UTC, as details have them
_ORDER: Final = "* exclude (read_real)"  # which is by the machine's clock, and for us alone
_JSON: Final = frozenset(("items", "ndr", "more", "evidence", "params", "buttons", "consent", "detail"))


def find_order(db: Db, word: str) -> str:
    """Return the key of the order that a word names: its number at the shop, the vendor's, or `SOURCE:ID`.

    Raises:
        BadArguments: none is stored under it, or several are.
    """
    rows = db.rows(
        """select merchant_order from staged.notice_orders
           where merchant_order = $w or order_number = $w or vendor_order_number = $w""",
        {"w": word.strip()},
    )
    if not rows:
        raise BadArguments("no order of that number is stored; numbers are as the shop writes them")
    if len(rows) > 1:
        names = ", ".join(sorted(row[0] for row in rows))
        raise BadArguments(f"several orders have that number; name one of {names}")
    return str(rows[0][0])


def explain(run: Run, words: Sequence[str], at: datetime | None = None) -> Record:
    """Return what is known of an order: the object of `vs-st why --json` and `vs-st history --json`.

    Args:
        words: the order, and the status if only one is asked for. at: only what was said and done by then.
    """
    status = words[1] if len(words) > 1 else None
    if not run.file().exists():
        raise BadArguments("nothing is stored of this merchant yet; sync first")
    with run.open() as db:
        key = find_order(db, words[0])
        statuses = _statuses(db, key)
        if status is not None:
            _check_status(status, statuses)
        return {
            "merchant": run.merchant.id, "route": run.route,
            "order": _order(db, key),
            "recipient": next(iter(_rows(db, "select * from staged.recipients where merchant_order = ?", [key])), None),
            "consents": _consents(db, key),
            "statuses": [one for one in statuses if status in (None, one["status"])],
            "forgotten": read_suppressed(db).knows(FORGOTTEN_ORDER, key),
            "actions": _rows(db, 'select * from synced.actions where merchant_order = ? order by "at"', [key]),
            "activity": activity(db, key, at),
        }  # fmt: skip


def _check_status(status: str, reached: Sequence[Record]) -> None:
    """Refuse a status that neither the usual map nor the order has; an order may not have reached it yet."""
    usual = status_map.read(OwnFile()).announced
    if status not in usual and all(status != one["status"] for one in reached):
        raise BadArguments(f"there is no such status; there are: {', '.join(usual)}")


def _order(db: Db, key: str) -> Record:
    found = _rows(db, f"select {_ORDER} from staged.notice_orders where merchant_order = ?", [key])[0]
    return {**found, "ndr": by_unit(found["ndr"])}


def by_unit(ndr: Mapping[str, Any] | None) -> Record | None:
    """Return what is known of failed deliveries by unit; what is said of the order as a whole stands under `order`."""
    return None if ndr is None else {unit or "order": about for unit, about in ndr.items()}


def _consents(db: Db, key: str) -> list[Record]:
    return _rows(
        db,
        """select c.* from staged.consents as c join staged.recipients as r on r.phone = c.phone
           where r.merchant_order = $key and (c.merchant_order is null or c.merchant_order = $key) order by c."at" """,
        {"key": key},
    )


def _statuses(db: Db, key: str) -> list[Record]:
    """Return each status that the order's units have reached, with what came of its message, and why."""
    found = _rows(
        db,
        """select e.unit_key, e.status, e.occurrence, e.source_status, e.occurred_at, e.last_at, e.basis, e.confirmed,
               e.in_baseline, e.first_seen_at, n.notice_id, coalesce(n.state, p.verdict) as state,
               coalesce(n.reason, p.reason, n.code) as reason, coalesce(n.rule, p.rule) as rule,
               coalesce(p.until, n.until) as until, n.destination, n.account, n.template_id, n.text, n.consent,
               n.message_id,
               n.claimed_at, n.accepted_at, n.code, n.settled_by, n.changed_at
           from staged.journey_events as e
           left join synced.notices as n using (unit_key, status, occurrence)
           left join planned.notices as p using (unit_key, status, occurrence)
           where e.merchant_order = ? order by e.first_seen_at, e.rank, e.unit_key, e.occurrence""",
        [key],
    )
    for one in found:
        one["means"] = means(one["reason"], one["code"], one["state"])
    return found


def means(reason: str | None, code: str | None, state: str | None) -> str:
    """Return what the most precise of these words means: a code's where the reason is the vendor's own sentence."""
    words = (word for word in (reason, code, state) if word)
    return next((says for word in words if (says := MEANINGS.get(word) or CODES_MEAN.get(word))), "")


def activity(db: Db, key: str, at: datetime | None = None) -> list[Record]:
    """Return what was said and done about an order, oldest first; `at`: only until then."""
    until = datetime.max if at is None else at.astimezone(UTC).replace(tzinfo=None)
    return _rows(db, 'select * from staged.activity where merchant_order = ? and "at" <= ? order by seq', [key, until])


def _rows(db: Db, sql: str, values: Any) -> list[Record]:
    names, rows = db.columns(sql, values)
    return [{name: _plain(name, value) for name, value in zip(names, row, strict=True)} for row in rows]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if name in _JSON and isinstance(value, str):
        return json.loads(value)
    return value


def lines(answer: Record, words: Sequence[str], merchant: Merchant) -> list[str]:
    """Say the same for people, in the merchant's time zone; what a word means is said where it stands first."""
    order, person, zone = answer["order"], answer["recipient"] or {}, merchant.time_zone
    read_at = f"read {shown_at(order['read_at'], zone)} (times are those of {zone})"
    told = [f"{merchant.name}: order {order['order_number']} of {order['source']}, {read_at}"]
    phone = person.get("phone") or f"no phone to write to ({person.get('phone_fault') or 'none is known'})"
    if answer.get("forgotten"):
        told.append("  to       nobody: the person was forgotten; what was done before is kept without details")
    else:
        told.append(f"  to       {person.get('name') or 'no name'}, {phone}")
    for one in answer["consents"]:
        told.append(f"  consent  {one['state']} by {one['source']}, {shown_at(one['at'], zone)}")
    if order["whatsapp_flag"]:
        told.append("  consent  the order itself asks for WhatsApp (eshopbox_flag)")
    elif not answer["consents"]:
        told.append("  consent  nothing says that this phone may be written")
    means = set[str]()
    for one in answer["statuses"]:
        when = shown_at(one["occurred_at"], zone) if one["occurred_at"] else "at a time nobody knows"
        state = one["state"] or _no_message(merchant, one["status"])
        why = f": {one['reason']}" if one["reason"] else ""
        rule = f" (rule {one['rule']})" if one["rule"] else ""
        told.append(f"  {one['status']} {one['unit_key']}, {when}: {state}{why}{rule}")
        if one["means"] and one["means"] not in means:
            told.append(f"    {one['means']}")
            means.add(one["means"])
        if one["until"]:
            told.append(f"    looked at again at {shown_at(one['until'], zone)}")
        if one["text"]:
            said = str(one["text"]).splitlines()
            told += [f"    said: {said[0]}", *(f"          {line}" for line in said[1:])]
        if one["notice_id"]:
            told.append(
                f"    notice {one['notice_id']}" + (f", template {one['template_id']}" if one["template_id"] else "")
            )
    for one in answer["actions"]:
        told.append(f"  action   {one['action']} ({one['code']}): {one['state']}")
    return told + activity_lines(answer["activity"], zone)


def _no_message(merchant: Merchant, status: str) -> str:
    return NOT_JUDGED if merchant.section(NoticesSettings).enabled(status) else OFF


def activity_lines(rows: Sequence[Record], zone: tzinfo) -> list[str]:
    """Say what happened, a line each, in this time zone."""
    told = []
    for one in rows:
        detail = ", ".join(
            _said(name, value, zone) for name, value in (one["detail"] or {}).items() if value not in (None, "", False)
        )
        mode = f" by {one['mode']}" if one["mode"] else ""
        told.append(f"  {shown_at(one['at'], zone)}  {one['what']}{mode}" + (f": {detail}" if detail else ""))
    return told


def _said(name: str, value: object, zone: tzinfo) -> str:
    """Say one thing of a detail: a yes by its name alone, a time to the second, as the line's own is."""
    if value is True:
        return name
    is_time = isinstance(value, str) and _TIME.fullmatch(value)
    return f"{name} {shown_at(str(value), zone) if is_time else value}"


def shown_at(text: str | None, zone: tzinfo) -> str:
    """Return a stored time, ISO and UTC with or without `Z`, to the second in a zone; `never` where there is none."""
    if text is None:
        return "never"
    moment = datetime.fromisoformat(text)
    return f"{(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone):%Y-%m-%d %H:%M:%S}"
