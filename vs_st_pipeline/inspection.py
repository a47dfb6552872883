"""Looks without touching: are the keys good, and why does a value say what it says.

`check` asks both systems a few cheap questions; `why` asks nobody, it tells from what the last sync has stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline import ledger, planning
from vs_st_pipeline.blind_spots import read_blind_spots
from vs_st_pipeline.change import EDITED_THERE
from vs_st_pipeline.destinations.simpletexting.contacts import (
    CUSTOMER_ID_LABEL,
    list_custom_fields,
    read_contacts,
    read_custom_fields,
)
from vs_st_pipeline.diff import decide
from vs_st_pipeline.errors import PipelineError
from vs_st_pipeline.field_map import CustomField, FieldMap, MapField, explain, resolve, rule_of, wanted_values
from vs_st_pipeline.phone import nanp
from vs_st_pipeline.pipeline import Visit, visiting
from vs_st_pipeline.report import FAILED
from vs_st_pipeline.run import Run


@dataclass(slots=True)
class Checked:
    """What `check` found of one merchant.

    Attributes:
        errors: why a system cannot be used; empty where both keys are good.
        missing_fields: fields of the map that the account lacks; somebody must make them in the dashboard.
        doubts: sentences about what works but may not be meant.
    """

    merchant: str
    errors: list[PipelineError] = field(default_factory=list)
    missing_fields: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "merchant": self.merchant,
            "status": "failed" if self.errors else "ok",
            "error": self.errors[0].as_report() if self.errors else None,
            "errors": [error.as_report() for error in self.errors],
            "missing_fields": self.missing_fields,
            "doubts": self.doubts,
        }


def check(run: Run) -> Checked:
    """Ask both systems whether the keys are good, and compare the field map with the account; writes nothing."""
    checked = Checked(run.merchant.id)
    for question in (_ask_map, _ask_vinoshipper, _ask_simpletexting):
        with visiting(run) as visit:
            question(visit, checked)
        if visit.report.status == FAILED and visit.report.error:
            checked.errors.append(visit.report.error)
    return checked


def _ask_map(visit: Visit, checked: Checked) -> None:
    planning.load_field_map(visit.run.merchant)


def _ask_vinoshipper(visit: Visit, checked: Checked) -> None:
    visit.vinoshipper.profile()
    if visit.run.warehouse.file(visit.run.merchant.id).exists():
        with visit.run.open() as db:
            checked.doubts += [f"{spot.sentence} (since {since:%Y-%m-%d})" for spot, since in read_blind_spots(db)]


def _ask_simpletexting(visit: Visit, checked: Checked) -> None:
    visit.simpletexting.tenant()
    items = list_custom_fields(visit.simpletexting)
    fields = [
        CustomField(item.label.strip(), item.mergeTag or "") for item in items if item.label and item.label.strip()
    ]
    resolved = resolve(planning.load_field_map(visit.run.merchant), fields)
    checked.missing_fields = [row.to for row in resolved.missing]
    if CUSTOMER_ID_LABEL in checked.missing_fields:
        checked.doubts.append(
            f"without the custom field {CUSTOMER_ID_LABEL} contacts are matched by phone alone, in every sync anew"
        )
    wanted = {key for _, key in resolved.available}
    for item in items:
        if (item.mergeTag in wanted or item.label in wanted) and (item.type or "text").lower() != "text":
            checked.doubts.append(
                f"the custom field '{item.label}' has type {item.type}: SimpleTexting may refuse or change what is "
                "written; a field of type text takes everything"
            )
    labels = [item.label.strip().casefold() for item in items if item.label]
    for label in sorted({name for name in labels if labels.count(name) > 1}):
        checked.doubts.append(f"two custom fields are labelled '{label}' (in any case): the first is used")


def why(run: Run, phone: str, field_name: str | None = None) -> dict[str, Any]:
    """Where the values of one contact come from, or why they are not there, as far as the last sync knows.

    Args:
        phone: in any form that reduces to ten NANP digits.
        field_name: one field of the map (any case), None for all.

    Returns:
        The object of `vs-st why --json`; `contact_id` is None where no contact has this phone.
    """
    field_map = planning.load_field_map(run.merchant)
    with run.open() as db:
        custom_fields = read_custom_fields(db)
        live = read_contacts(db, custom_fields)
        ten_digits = nanp(phone)
        found = sorted(contact_id for contact_id, row in live.items() if ten_digits and nanp(row.phone) == ten_digits)
        answer: dict[str, Any] = {
            "merchant": run.merchant.id,
            "phone": ten_digits or phone,
            "contact_id": found[0] if found else None,
            "customer_id": None,
            "linked_by": None,
            "held": None,
            "fields": [],
        }
        if not found:
            return answer
        contact = live[found[0]]
        person = planning.person_of(run, db, contact.contact_id, live, custom_fields)
        accepted = ledger.read_accepted(db, [contact.contact_id]).get(contact.contact_id, {})
        when = {
            row[0]: (row[1], row[2])
            for row in db.rows(
                "select field, accepted_at, run_id from synced.ledger where contact_id = ?", [contact.contact_id]
            )
        }
        rejected = contact.contact_id in ledger.read_rejected(db)
        planned = db.value("select wanted from planned.contacts where contact_id = ?", [contact.contact_id])
    if person is None:
        return answer
    answer.update(customer_id=person.customer_id, linked_by=person.link.by, held=person.held)
    resolved = resolve(field_map, custom_fields)
    keys = {row.to: key for row, key in resolved.available}
    facts = person.facts
    wanted = (
        {row.map_field.to: row.value for row in wanted_values(field_map, facts, run.merchant.time_zone)}
        if facts
        else {}
    )
    shared_out = {entry[0] for entry in json.loads(planned)} if planned else None
    for row in _rows(field_map, field_name):
        key, rule = keys.get(row.to), rule_of(row, field_map)
        value = wanted.get(row.to)
        if key == "email" and row.kind == "builtin" and value and shared_out is not None and row.to not in shared_out:
            value, rule = None, f"{rule}; left out: another contact of the account has this e-mail, or gets it"
        entry = accepted.get(row.to)
        stands = contact.value(row.kind, key) if key else None
        accepted_at, run_id = when.get(row.to, (None, None))
        if entry is not None and entry.stored is None and run_id == contact.read_run:
            stands = entry.sent  # the run that wrote it had read the contact before, nobody has since
        answer["fields"].append(
            {
                "field": row.to,
                "value": value,
                "live": stands,
                "rule": rule,
                "sources": [
                    {"system": s.system, "kind": s.kind, "id": s.id, "path": s.path, "value": s.value}
                    for s in (explain(row, facts) if facts else [])
                ],
                "accepted_at": accepted_at.isoformat() + "Z" if accepted_at else None,
                "run_id": run_id,
                "state": _state(row, key, value, stands, person.held, rejected, entry),
            }
        )
    return answer


def _rows(field_map: FieldMap, name: str | None) -> list[MapField]:
    return [row for row in field_map.fields if name is None or row.to.casefold() == name.casefold()]


def _state(
    row: MapField, key: str | None, value: str | None, live: str | None, held: str | None, rejected: bool, entry: Any
) -> str:
    if key is None:
        return "missing_field"
    if held:
        return "held"
    if value is None:
        return "waiting"
    decision = decide(row.policy, value, live or "", entry)
    if not decision.write:
        return "synced"
    if rejected:
        return "rejected"
    return "edited_there" if decision.note == EDITED_THERE else "waiting"
