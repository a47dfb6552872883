"""Tells what has happened to a person's records, and to their consents, newest last; calls no system.

Data flow: synced.history, synced.writes, synced.consent_evidence -> entries by time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.domain.emails import email_key, person_key
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers.assets import TITLES
from vs_st_pipeline.routes.consumers.codes import CODES
from vs_st_pipeline.routes.consumers.explain import told

Record = dict[str, Any]
_NAMES = (
    *("at", "crm", "contact_id", "event", "field", "old", "new", "stored", "target", "consent_id", "order_id"),
    *("call", "run_id", "trigger", "rule", "sources", "code"),
)


def history(run: Run, email: str, *, at: datetime | None = None) -> Record:
    """Return what has happened to a person's record at each CRM, and to what they consented to.

    Args:
        at: show what was known at this time (aware), and the ledger as it was then.

    Returns:
        The object of `vs-st history --json`: `contacts`, `entries` and `ledger` (None without `at`).
    """
    key, until = person_key(email_key(email)), at.astimezone(UTC).replace(tzinfo=None) if at else None
    with run.open() as db:
        contacts = db.rows("select crm, record_id from synced.consumers where key = ? order by crm", [key])
        records = dict(contacts)
        entries = [*_values(db, key), *_writes(db, key), *_consents(db, key)]
        replayed = ledger.replay(db, until) if until else {}
    entries = [one for one in entries if until is None or one["at"] <= until]
    entries.sort(key=lambda one: one["at"])  # stable: events with the same time keep their order
    return {
        "merchant": run.merchant.id,
        "route": run.route,
        "email": email_key(email),
        "contacts": [{"crm": crm, "contact_id": record_id} for crm, record_id in contacts],
        "at": told(until),
        "entries": [
            {**one, "at": told(one["at"]), "contact_id": one["contact_id"] or records.get(one["crm"])}
            for one in entries
        ],
        "ledger": [
            {"crm": ref.system, "field": field, "sent": entry.sent, "stored": entry.stored}
            for (ref, field), entry in sorted(replayed.items())
            if ref.id == key
        ]
        if until
        else None,
    }


def _entry(**known: Any) -> Record:
    return {**dict.fromkeys(_NAMES), **known}


def _values(db: Db, key: str) -> Iterable[Record]:
    columns, rows = db.columns(
        """select written_at as at, system as crm, event, field, old, new, stored, call, run_id, trigger, rule,
                  sources
           from synced.history left join synced.runs using (run_id) where object = 'consumer' and id = ?
           order by seq""",
        [key],
    )
    return [_entry(**dict(zip(columns, row, strict=True))) for row in rows]


def _writes(db: Db, key: str) -> Iterable[Record]:
    """Return writes of fields that were refused, had no effect, or have no known outcome."""
    rows = db.rows(
        """select coalesce(w.settled_at, w.sent_at), w.system, w.outcome, w.call, w.run_id, w.changes, r.code, trigger
           from synced.writes as w
           left join synced.rejects as r on (r.system, r.object, r.id, r.last_at)
               = (w.system, w.object, w.id, w.settled_at)
           left join synced.runs using (run_id)
           where w.object = 'consumer' and w.id = ? and w.outcome is distinct from 'accepted'
           order by w.sent_at, w.send_id""",
        [key],
    )
    for at, crm, outcome, call, run_id, changes, code, trigger in rows:
        of_write = {"at": at, "crm": crm, "call": call, "run_id": run_id, "trigger": trigger}
        if outcome is not None:
            yield _entry(event=outcome, code=code, **of_write)
            continue
        for change in json.loads(changes or "[]") or [[None] * 8]:
            field, _, _, _, old, new, rule, sources = change
            yield _entry(event="unknown", field=field, old=old, new=new, rule=rule, sources=sources, **of_write)


def _consents(db: Db, key: str) -> Iterable[Record]:
    rows = db.rows(
        """select coalesce(outcome_at, sent_at), crm, contact_id, action, outcome, target, consent_id, order_id, run_id,
                  trigger, code
           from synced.consent_evidence left join synced.runs using (run_id) where key = ?
           order by sent_at, evidence_id""",
        [key],
    )
    for at, crm, contact_id, action, outcome, target, consent_id, order_id, run_id, trigger, code in rows:
        event = action if outcome == "accepted" else f"{action}: {outcome}"
        yield _entry(
            at=at, crm=crm, contact_id=contact_id, event=event, target=target, consent_id=consent_id, order_id=order_id,
            run_id=run_id, trigger=trigger, code=code,
        )  # fmt: skip


def history_lines(answer: Record, words: Sequence[str], merchant: Merchant) -> list[str]:
    """Say it for people, in the merchant's time zone."""
    del words
    lines = [f"{answer['email']} at {merchant.name}"]
    for one in answer["contacts"]:
        lines.append(f"  is {one['contact_id'] or 'of unknown id'} at {TITLES[one['crm']]}")
    if not answer["entries"]:
        return [*lines, "  nothing was written for this address"]
    for one in answer["entries"]:
        at = datetime.fromisoformat(one["at"]).astimezone(merchant.time_zone)
        what = f"{one['field']}: {one['old'] or '(empty)'} -> {one['new'] or '(cleared)'}" if one["field"] else ""
        what = what or (f"{one['target']} by consent {one['consent_id']}" if one["target"] else "")
        code = f" ({one['code']})" if one["code"] else ""
        lines.append(f"  {at:%Y-%m-%d %H:%M}  {TITLES[one['crm']]}  {one['event']}{code}  {what}".rstrip())
    return lines + legend((one["code"] for one in answer["entries"]), CODES)
