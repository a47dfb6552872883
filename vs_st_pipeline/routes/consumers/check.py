"""Checks a merchant without changing anything: are the keys good, where does each consent lead, what is missing there.

It asks each system a few cheap questions and stores nothing. What was seen in orders and is not listed in the settings
is printed as it can be pasted there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors import sopost
from vs_st_pipeline.connectors.sopost import counts, setup
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.crm import Crm, Setup
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.field_map import MapField
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import map_file, metrics
from vs_st_pipeline.routes.consumers.assets import SOURCE, TITLES
from vs_st_pipeline.routes.consumers.session import ConsumersSession, open_session
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings, targets_of
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME

Record = dict[str, Any]
MULTI_LINE: Final = "answers.all"


@dataclass(slots=True)
class ConsumersCheck(CheckResult):
    """What `check` found.

    Attributes:
        fields_to_create: of the maps, that a CRM lacks: crm, field, type.
        targets: where each listed consent leads: crm, consent_id, data_handler, target, name, double_opt_in, missing.
        paste: lines for the merchants file, by where they belong: statuses and consents that were seen in orders.
        last_event: when the last event came; None: none was ever stored.
        age: how long ago that is, in words.
    """

    fields_to_create: list[Record] = field(default_factory=list)
    targets: list[Record] = field(default_factory=list)
    paste: dict[str, list[str]] = field(default_factory=dict)
    last_event: datetime | None = None
    age: str | None = None

    def as_json(self) -> Record:
        whole = CheckResult.as_json(self)
        whole["fields_to_create"] = self.fields_to_create
        whole["targets"] = self.targets
        whole["paste"] = self.paste
        whole["last_event_at"] = f"{self.last_event.isoformat(timespec='seconds')}Z" if self.last_event else None
        return whole

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        lines = CheckResult.lines(self, name)
        lines += [f"  create at {TITLES[one['crm']]}: {one['field']} ({one['type']})" for one in self.fields_to_create]
        for one in self.targets:
            where = f"{TITLES[one['crm']]} {one['target']}" + (f" ({one['name']})" if one["name"] else "")
            how = (
                f"is not there: {one['missing']}"
                if one["missing"]
                else "people have to confirm by mail" * bool(one["double_opt_in"])
            )
            lines.append(f"  consent {one['consent_id']} leads to {where}" + (f"; {how}" if how else ""))
        for where, rows in self.paste.items():
            lines += [f"  seen, and not listed under {where}:", *(f"      {row}" for row in rows)]
        lines.append(
            f"  {SOURCE} told of an order last {self.age} ago" if self.age else f"  {SOURCE} told of no order yet"
        )
        return lines


def new_result(merchant_id: str, error: PipelineError | None = None) -> ConsumersCheck:
    """Return a result of this route with nothing found yet, or with why nothing can be."""
    return ConsumersCheck(
        merchant_id, NAME, make_them="create them as it stands below", errors=[error] if error else []
    )


def check(run: Run) -> ConsumersCheck:
    """Ask each system whether the key is good and what is there; write nothing. One system's trouble is its own."""
    found = new_result(run.merchant.id)
    crms = [crm for crm in CRM_NAMES if crm in run.merchant.sections]
    for question in (_ask_settings, _look_at_what_is_stored, _ask_source):
        with open_session(run, ()) as session:
            question(session, found)
        _note_failure(session, found)
    for crm in crms:
        with open_session(run, ()) as session:
            _ask_crm(session, crm, found)
        _note_failure(session, found)
    return found


def _note_failure(session: ConsumersSession, found: ConsumersCheck) -> None:
    if session.report.status == FAILED and session.report.error:
        found.errors.append(session.report.error)


def _ask_settings(session: ConsumersSession, found: ConsumersCheck) -> None:
    merchant = session.run.merchant
    settings = merchant.section(ConsumersSettings)
    leading = [entry for entry in settings.consents if not entry.ignore]
    if not leading:
        found.doubts.append(
            "consumers.consents leads nowhere, so nobody can be subscribed; `vs-st plan` reads the orders that SoPost "
            "told of, then `vs-st check` prints their consents"
        )
    for crm in CRM_NAMES:
        if crm in merchant.sections:
            map_file.load(merchant, crm)


def _look_at_what_is_stored(session: ConsumersSession, found: ConsumersCheck) -> None:
    run = session.run
    if not run.file().exists():
        found.last_event = _since(counts.events(run.inbox, run.merchant.id).last)
    else:
        with run.open() as db:
            found.last_event = metrics.last_event_at(run, db)
            found.paste = {where: rows for where, rows in _to_paste(run.merchant, db) if rows}
            found.unreadable = [
                {"kind": "order", "id": row[0], "why": f"order {row[0]}: {row[1]}"}
                for row in db.rows(
                    """select id, last_try from raw.sopost_orders
                       where last_try in ('not_found', 'not_visible', 'unreadable') order by id"""
                )
            ]
    if found.last_event is not None:
        found.age = humanize(run.now() - found.last_event)


def _since(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=None)


def _to_paste(merchant: Merchant, db: Db) -> Iterator[tuple[str, list[str]]]:
    """Yield what orders showed and the settings do not list, by where it belongs."""
    words = db.rows(
        """select distinct status from staged.sopost_orders where class = 'later' and not counts order by 1"""
    )
    settings = merchant.section(SoPostSettings)
    approved = _whole_list("approved", settings.statuses.approved, [row[0] for row in words])
    yield "sopost.statuses", [f"{approved}   # or pending, rejected: whatever they mean"] if words else []
    consents = db.rows(
        """select consent_id, data_handler, entry, max(consent_name), count(*) from staged.consents
           where entry in ('unmapped', 'handler_mismatch') group by 1, 2, 3 order by 3 desc, 5 desc, 1, 2"""
    )
    pairs: dict[tuple[str, str], list[tuple[Any, ...]]] = {}  # a pair may stand once there, however it is written
    for row in consents:
        pairs.setdefault((loosely(row[0]), loosely(row[1])), []).append(row)
    yield "consumers.consents", [_consent_to_paste(rows) for rows in pairs.values()]
    known = {loosely(word) for word in (*settings.consent_given, *settings.consent_refused)}
    statuses = db.rows("select distinct status from staged.consents where status is not null order by 1")
    unknown = [row[0] for row in statuses if loosely(row[0]) not in known]
    refused = _whole_list("consent_refused", settings.consent_refused, unknown)
    yield "sopost", [f"{refused}   # or consent_given: whatever they mean"] if unknown else []


def _whole_list(key: str, listed: Sequence[str], seen: Sequence[str]) -> str:
    """Return a list as it is to be: what is pasted takes the place of the default, so that has to stand in it too."""
    words = ", ".join(f'"{_plain(word)}"' for word in (*listed, *seen))
    return f"{key}: [{words}]"


def _consent_to_paste(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return one pair as an entry, as most orders write it."""
    id_, handler, entry, name, _ = rows[0]
    count = sum(row[4] for row in rows)
    where = "; another handler" * (entry != "unmapped")
    return (
        f'- {{consent_id: "{_plain(id_)}", data_handler: "{_plain(handler)}", ignore: true}}'
        f"   # {'once' if count == 1 else f'{count} times'}, {_plain(name or 'without a name')}{where}"
    )


def _plain(text: str) -> str:
    """Return a text that stands safely between the quotes of YAML, on one line."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _ask_source(session: ConsumersSession, found: ConsumersCheck) -> None:
    newest = None
    if session.run.file().exists():
        with session.run.open() as db:
            newest = db.value(
                "select asked_id from raw.sopost_orders where read_at is not null order by read_at desc limit 1"
            )
    tried = setup.check_key(session.client(sopost.CONNECTOR), newest)
    if tried.doubt:
        found.doubts.append(tried.doubt)


def _ask_crm(session: ConsumersSession, name: str, found: ConsumersCheck) -> None:
    crm: Crm = session.desk(name, writes=False).crm
    entries = targets_of(session.run.merchant, name)
    wanted = dict.fromkeys(target for entry in entries if (target := entry.target(name)) is not None)
    there = crm.begin(list(wanted))
    if crm.account() is None:
        found.doubts.append(f"the key may not ask whose account {TITLES[name]}'s is, so a change of it goes unseen")
    found.doubts += there.doubts
    if crm.records_all:
        found.doubts.append(
            f"{name}.without_consent is `record`: people without a consent are stored at {TITLES[name]}, and others "
            "can mail them there"
        )
    for entry in entries:
        target = entry.target(name)
        if target is not None:
            info = there.targets.get(target)
            found.targets.append(
                {
                    "crm": name,
                    "consent_id": entry.consent_id,
                    "data_handler": entry.data_handler,
                    "target": target.id,
                    "name": info.name if info else "",
                    "double_opt_in": bool(info and info.confirms),
                    "missing": info.missing if info else "it was not told",
                }
            )
    _compare_fields(session, name, there, found)


def _compare_fields(session: ConsumersSession, name: str, there: Setup, found: ConsumersCheck) -> None:
    if there.fields is None:
        return
    for row in map_file.load(session.run.merchant, name).fields:
        known = there.fields.get(row.to)
        if known is None:
            found.missing_fields.append(f"{row.to} ({name})")
            found.fields_to_create.append({"crm": name, "field": row.to, "type": type_to_create(row)})
        elif known.read_only:
            found.doubts.append(
                f"the field {row.to} at {TITLES[name]} cannot be written ({known.what}): it is left out"
            )


def type_to_create(row: MapField) -> str:
    """Return of which type a field is best made, in words that all CRMs know."""
    if row.source == MULTI_LINE:
        return "text of several lines"
    return {"integer": "number", "number": "number", "money": "number", "iso_date": "date"}.get(row.form, "text")
