"""Checks a merchant without changing anything: are the keys good, which custom fields are missing, what is doubtful.

It asks both systems a few cheap questions and stores nothing.
"""

from __future__ import annotations

from vs_st_pipeline.connectors.simpletexting.contacts import list_custom_fields
from vs_st_pipeline.connectors.simpletexting.custom_fields import CUSTOMER_ID_LABEL, CustomField, resolve_fields
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.unreadable import read_unreadable
from vs_st_pipeline.routes.contacts import map_file
from vs_st_pipeline.routes.contacts.service import NOT_RECORDED
from vs_st_pipeline.routes.contacts.session import ContactsSession, open_session
from vs_st_pipeline.routes.contacts.systems import SYSTEMS


def new_result(merchant_id: str, error: PipelineError | None = None) -> CheckResult:
    """Return a result of this route with nothing found yet, or with why nothing can be."""
    return CheckResult(
        merchant_id,
        "contacts",
        good="both keys are good",
        make_them="make them in SimpleTexting's dashboard (type text)",
        errors=[error] if error else [],
        advice={
            NOT_RECORDED: "write `service: {bought_on: 2026-01-15, paid_texting_since: 2026-01-15}` into its entry"
        },
    )


def check(run: Run) -> CheckResult:
    """Ask both systems whether the keys are good, and compare the field map with the account; write nothing."""
    checked = new_result(run.merchant.id)
    for question in (_ask_map, _look_at_what_is_stored, _ask_vinoshipper, _ask_simpletexting):
        with open_session(run) as session:
            question(session, checked)
        if session.report.status == FAILED and session.report.error:
            checked.errors.append(session.report.error)
    return checked


def _ask_map(session: ContactsSession, checked: CheckResult) -> None:
    map_file.load_field_map(session.run.merchant)


def _look_at_what_is_stored(session: ContactsSession, checked: CheckResult) -> None:
    if not session.run.file().exists():
        return
    with session.run.open() as db:
        checked.doubts += [
            f"{spot.sentence} (since {since:%Y-%m-%d})" for system in SYSTEMS for spot, since in system.limitations(db)
        ]
        checked.unreadable = [{"kind": row.kind, "id": row.id, "why": row.sentence} for row in read_unreadable(db)]
        checked.not_understood = [
            {"kind": row[0], "id": row[1], "why": row[2]}
            for row in db.rows("select kind, id, reason from staged.unusable order by kind, id, reason")
        ]


def _ask_vinoshipper(session: ContactsSession, checked: CheckResult) -> None:
    name = session.vinoshipper.profile().get("name")
    if isinstance(name, str) and name.strip():  # whoever reads it sees whether the key is another winery's
        checked.good += f"; Vinoshipper's account is {name.strip()}"


def _ask_simpletexting(session: ContactsSession, checked: CheckResult) -> None:
    session.simpletexting.tenant()
    items = list_custom_fields(session.simpletexting)
    fields = [
        CustomField(item.label.strip(), item.mergeTag or "") for item in items if item.label and item.label.strip()
    ]
    resolved = resolve_fields(map_file.load_field_map(session.run.merchant), fields)
    checked.missing_fields = [row.to for row in resolved.missing]
    if CUSTOMER_ID_LABEL in checked.missing_fields:
        checked.doubts.append(
            f"without the custom field {CUSTOMER_ID_LABEL} contacts are matched by phone alone, again in every sync"
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
