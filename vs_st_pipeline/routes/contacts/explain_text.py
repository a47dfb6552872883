"""Says the answers of `why` and `history` for people: phones and values in full, times in the merchant's time zone.

The person who asks has the customer on the line.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.domain.plan import NOT_READ_YET, WAITING_RETRY
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.contacts.words import MEANINGS

Record = dict[str, Any]

# --- why, as text -------------------------------------------------------------------------------------------------

_CALLS = {"update_contact": "alone", "batch_update": "in a batch", "read": "by reading"}


def why_lines(answer: Record, merchant: Merchant) -> list[str]:
    if answer["contact_id"] is None:
        return [f"{answer['phone']} is no contact of {merchant.name}: {answer['because']}."]
    lines = [f"{answer['phone']} is contact {answer['contact_id']} of {merchant.name}"]
    if answer["more_contacts"]:
        others = ", ".join(answer["more_contacts"])
        lines.append(f"  this phone has {len(answer['more_contacts'])} more at SimpleTexting, not shown here: {others}")
    if answer["customer_id"] is None:
        lines.append("  linked to no customer, so nothing is written to it")
    else:
        lines.append(f"  linked to customer {answer['customer_id']} by {_by(answer['linked_by'])}")
    lines += _evidence_lines(answer, merchant.time_zone)
    if answer["held"]:
        lines.append(f"  HELD BACK, {answer['held']}: {answer['because']}")
    elif answer["because"]:
        lines.append(f"  {'WAITING' if answer['customer_id'] else 'why'}: {answer['because']}")
    lines += _refusal_lines(answer["rejected"], merchant.time_zone)
    lines += _note_lines(answer)
    lines += _record_lines(answer)
    lines += _read_lines(answer, merchant)
    if not answer["fields"]:
        return lines
    told_map = answer["map"]
    changed = told_map["last_planned_with"] not in (None, told_map["fingerprint"])
    lines.append(
        f"  field map: {told_map['name']}, version {told_map['version']}, fingerprint {told_map['fingerprint'][:12]}"
        + ("; it was changed since the last sync" if changed else "")
    )
    # no values are worked out for a contact that nothing is written to
    if answer["held"] and len(answer["fields"]) > 1:
        stands = [f"      {row['field']}: {row['live']}" for row in answer["fields"] if row["live"]]
        return [*lines, *(["  what stands there now:", *stands] if stands else ["  all fields of the map are empty"])]
    for row in answer["fields"]:
        about = answer["about"][row["field"]]
        if row["state"] == "rejected" and len(answer["fields"]) > 1:
            about = {**about, "says": None}  # it is said once, above
        lines += ["", *_field_lines(row, about, merchant.time_zone)]
    return lines


def _by(linked_by: str) -> str:
    return "its phone" if linked_by == "phone" else f"the {linked_by} that it carries"


def _evidence_lines(answer: Record, zone: ZoneInfo) -> list[str]:
    found = answer["evidence"]
    lines = [
        f"  SimpleTexting said {found['status'] or 'no status'} when it was last read, {_at(found['read_at'], zone)}"
    ]
    if answer["customer_id"] is not None:
        age = {True: "known", False: "not known to Vinoshipper", None: "not read yet"}[found["birth_date_known"]]
        lines.append(f"  birth date: {age}")
    last = found["last_write"]
    if last is None:
        lines.append("  nothing was ever written to it from here")
    else:
        age = "birth date known" if last["birth_date_known"] else "birth date not known"
        lines.append(
            f"  last sent {_at(last['sent_at'], zone)} {_CALLS.get(last['call'], last['call'])}, run {last['run_id']}: "
            f"{last['outcome'] or 'NO ANSWER YET, the next sync reads the contact'}"
        )
        lines.append(f"      on this evidence: {last['status']}, read {_at(last['read_at'], zone)}; {age}")
    return lines


def _refusal_lines(rejected: Record | None, zone: ZoneInfo) -> list[str]:
    if rejected is None:
        return []
    return [
        f"  REFUSED by SimpleTexting since {_at(rejected['first_at'], zone)}, {_times(rejected['attempts'])} "
        f"({rejected['code'] or 'no code'})",
        f"      {rejected['means']}",
        f"      what to do: {rejected['do']}",
        f"      what happens by itself: {rejected['then']}; next by the first sync after "
        f"{_at(rejected['next_at'], zone)}, now with vs-st retry",
    ]


def _note_lines(answer: Record) -> list[str]:
    if answer["held"]:
        return []
    notes = [note for note in answer["notes"] if note not in (NOT_READ_YET, WAITING_RETRY)]
    return [f"  worth knowing, {note}: {MEANINGS.get(note, note)}" for note in notes]


def _record_lines(answer: Record) -> list[str]:
    return [
        *(f"  cannot be read: {row['why']}" for row in answer["unreadable"]),
        *(f"  not understood: {row['kind']} {row['id']}: {row['why']}" for row in answer["not_understood"]),
    ]


def _read_lines(answer: Record, merchant: Merchant) -> list[str]:
    """Say how old is what is known of the orders that values come from; a change there is seen with the next read."""
    lines = []
    for row in answer["reads"]:
        if row["every"] is None:
            again = "settled long ago, so not read again in turn"
        else:
            period = getattr(merchant.section(VinoshipperSettings).refresh, row["every"])
            again = f"read again every {humanize(period)} ({row['every']})" if period else "read again by each sync"
        read_at = _at(row["read_at"], merchant.time_zone)
        lines.append(
            f"  {row['kind']} {row['id']} was read {read_at}; {again}; a webhook or vs-st sync --full reads it now"
        )
    return lines


def _field_lines(row: Record, about: Record, zone: ZoneInfo) -> list[str]:
    value = "(not known now)" if row["value"] is None else row["value"] or "(empty)"
    if row["state"] in ("held", "missing_field") and row["value"] is None:
        value = f"{row['live'] or '(empty)'}" if row["live"] is not None else "(not there)"
    lines = [f"  {row['field']}: {value}   [{row['state']}]"]
    if row["live"] is not None and row["value"] is not None and row["live"] != row["value"]:
        lines.append(f"      stands there now: {row['live'] or '(empty)'}")
    if about["says"]:
        lines.append(f"      {about['says']}")
    if row["value"]:
        lines += _source_lines(row["sources"])
    lines.append(f"      rule: {row['rule']}")
    written = about["written"]
    if written:
        if written["event"] == "accepted":
            how = f"written {_at(written['at'], zone)} {_CALLS.get(written['call'], written['call'])}"
        else:
            how = f"found there already {_at(written['at'], zone)}"
        lines.append(f"      {how}, run {written['run_id']}")
        if written["rule"] and not row["rule"].startswith(written["rule"]):
            lines.append(f"      by another rule then: {written['rule']}")
    return lines


def _source_lines(sources: list[Record]) -> list[str]:
    """Return one line per record and path; where many records say the same, one line for all of them."""
    alike = Counter((source["system"], source["kind"], source["path"], source["value"]) for source in sources)
    lines, done = [], set()
    for source in sources:
        key = source["system"], source["kind"], source["path"], source["value"]
        if key in done:
            continue
        done.add(key)
        ids = [other["id"] for other in sources if tuple(other[n] for n in ("system", "kind", "path", "value")) == key]
        named = ids[0] if alike[key] == 1 else f"{', '.join(ids[:5])}{f' and {len(ids) - 5} more' if ids[5:] else ''}"
        where = "the field map" if source["kind"] == "constant" else f"{source['system']} {source['kind']} {named}"
        lines.append(f"      from {where}, {source['path']}: {source['value']}")
    return lines


# --- history, as text ---------------------------------------------------------------------------------------------


def history_lines(answer: Record, field: str | None, merchant: Merchant) -> list[str]:
    zone, contacts = merchant.time_zone, answer["contacts"]
    if not contacts:
        return [f"{answer['phone']}: no contact of {merchant.name} has or had this phone, so there is no history"]
    named = ", ".join(row["contact_id"] + (" (gone)" if row["gone"] else "") for row in contacts)
    of = f" of {field}" if field else ""
    if answer["at"]:
        return [
            f"{answer['phone']} is contact {named}; the ledger{of} as it was on {_at(answer['at'], zone)}:",
            *(_ledger_lines(answer["ledger"], len(contacts) > 1) or ["  nothing was accepted yet"]),
        ]
    if not answer["entries"]:
        return [f"{answer['phone']} is contact {named}: nothing{of} was ever written or found there"]
    lines = [f"{answer['phone']} is contact {named}; its history{of}, newest last:"]
    for heading, entries in groupby(answer["entries"], key=_HEADING):
        first, rows = dict(zip(_HEADING_NAMES, heading, strict=True)), list(entries)
        whose = f"contact {first['contact_id']}, " if len(contacts) > 1 else ""
        lines.append(f"  {_at(first['at'], zone, '%H:%M:%S')}  {_happened(first)}, {whose}run {first['run_id']}")
        if first["means"]:
            lines.append(f"      {first['means']}")
        as_sent = [row for row in rows if row["event"] == "stored" and row["stored"] == row["new"]]
        for row in rows:
            if row["field"] is not None and (row not in as_sent or field):
                lines += _entry_lines(row)
        if as_sent and not field:
            lines.append(f"      {counted(len(as_sent), 'values')} as sent")
    return lines


_HEADING_NAMES = ("at", "run_id", "call", "contact_id", "event", "code", "means")
_HEADING = itemgetter(*_HEADING_NAMES)


def _happened(entry: Record) -> str:
    call = _CALLS.get(entry["call"], entry["call"])
    if entry["event"] == "accepted":
        return f"accepted by SimpleTexting, sent {call}"
    if entry["event"] == "found":
        return "found there already"
    if entry["event"] == "stored":
        return "read back"
    if entry["event"] == "rejected":
        code = f" ({entry['code']})" if entry["code"] else ""
        return f"REFUSED by SimpleTexting{code}, sent {call}"
    return f"{'NOT WRITTEN' if entry['event'] == 'without_effect' else 'NO ANSWER'}, sent {call}"


def _entry_lines(entry: Record) -> list[str]:
    new = entry["new"] or "(cleared)"
    if entry["event"] == "stored":
        as_what = "as sent" if entry["stored"] == entry["new"] else f"stored as {entry['stored'] or '(empty)'}"
        return [f"      {entry['field']}: {new}, {as_what}"]
    if entry["event"] == "found":
        as_it_is = "" if entry["stored"] == entry["new"] else f", as {entry['stored'] or '(empty)'}"
        return [f"      {entry['field']}: {entry['new'] or '(empty)'}{as_it_is}"]
    why = "; ".join(part for part in (entry["sources"], entry["rule"]) if part)
    return [f"      {entry['field']}: {entry['old'] or '(empty)'} -> {new}", *([f"          {why}"] if why else [])]


def _ledger_lines(ledger: list[Record], named: bool) -> list[str]:
    lines = []
    for row in ledger:
        whose = f"  (contact {row['contact_id']})" if named else ""
        stored = row["stored"] if row["stored"] is not None else row["sent"]
        made = f", which SimpleTexting stored as {stored or '(empty)'}" if stored != row["sent"] else ""
        lines.append(f"  {row['field']}: {row['sent'] or '(empty)'}{made}{whose}")
    return lines


def _at(text: str, zone: ZoneInfo, precision: str = "%H:%M") -> str:
    """Return a time of a report (ISO, UTC) in the winery's time zone."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(zone)
    return moment.strftime(f"%Y-%m-%d {precision} %Z")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
