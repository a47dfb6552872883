"""Onboards a merchant's contacts: who is served, which fields are to be made, who fits (webhooks-onboarding.md, 9).

Two steps are this route's own: `service`, whose dates only a person knows, and `fields`, which only a person can make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from vs_st_pipeline.connectors.simpletexting import CONNECTOR as SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.client import CustomFieldItem
from vs_st_pipeline.connectors.simpletexting.consent import OPT_IN
from vs_st_pipeline.connectors.simpletexting.contacts import list_custom_fields
from vs_st_pipeline.connectors.simpletexting.custom_fields import CUSTOMER_ID_LABEL, CustomField, resolve_fields
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline.onboarding import (
    DONE,
    SKIPPED,
    WAITING,
    Candidate,
    RouteSetup,
    RouteStep,
    StepResult,
    failed,
)
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.forms import read_date
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.routes.contacts.service import NOT_RECORDED, ServiceSettings
from vs_st_pipeline.routes.contacts.settings import ContactsSettings

SERVICE: Final = "service"
FIELDS: Final = "fields"
BOUGHT, PAID = "bought_on", "paid_texting_since"
ASKED: Final = {BOUGHT: "Bought on (YYYY-MM-DD)", PAID: "Texting is paid since (YYYY-MM-DD)"}
FEWEST_TO_OVERLAP: Final = 50
MADE_AS: Final = "text"
"""The type of a custom field that takes everything."""


# --- service: no API tells whether an account is paid -------------------------------------------------------------


def take_service(candidate: Candidate) -> StepResult:
    """Find out since when the merchant is served; it must be active today."""
    if candidate.entry is None:
        return _standing(candidate)
    if SERVICE in candidate.sections and not {BOUGHT, PAID} & candidate.columns.keys():
        return StepResult(DONE, "as the table says under sections")  # our reader has read it
    try:
        said = {name: _day(candidate, name) for name in ASKED}
    except BadSettings as error:
        return failed(error)
    if lacking := [name for name, day in said.items() if day is None]:
        how = " and ".join(f"the column {name}" for name in lacking)
        return StepResult(WAITING, f"{' and '.join(lacking)} not given", f"give {how} in --from FILE")
    service = ServiceSettings(**said)
    if (off := service.off_because(candidate.today())) is not None:
        return StepResult(WAITING, off.says, "run it again from that day on, or put the date right")
    candidate.entry[SERVICE] = {**said, "ended_on": None}
    candidate.kept.record(SERVICE)
    return StepResult(DONE, f"bought on {said[BOUGHT]}, texting is paid since {said[PAID]}")


def _standing(candidate: Candidate) -> StepResult:
    service = candidate.merchant.section(ContactsSettings).service
    if service is None:
        return StepResult(DONE, f"{NOT_RECORDED}, so the merchant counts as served")
    off = service.off_because(candidate.today())
    if off is not None:
        return StepResult(WAITING, off.says, off.do)
    return StepResult(DONE, f"bought on {service.bought_on}, texting is paid since {service.paid_texting_since}")


def _day(candidate: Candidate, name: str) -> date | None:
    written, person = candidate.columns.get(name), candidate.person
    if written is not None or person is None:
        return None if written is None else _read(written, name)
    while True:
        try:
            return _read(person.ask(ASKED[name], candidate.today().isoformat()), name)
        except BadSettings as error:
            person.show(error.message)


def _read(written: str, name: str) -> date:
    try:
        return read_date(written)
    except BadSettings as error:
        raise BadSettings(f"{name}: {error.message}") from None


def _differs(merchant: Merchant, columns: Mapping[str, str]) -> list[str]:
    service = merchant.section(ContactsSettings).service or ServiceSettings()
    stands = {name: getattr(service, name) for name in ASKED}
    return [name for name, day in stands.items() if name in columns and columns[name] != (day and day.isoformat())]


# --- fields: the API can only list them ---------------------------------------------------------------------------


def take_fields(candidate: Candidate) -> StepResult:
    """Look which custom fields the account lacks, until they are there, or a person does without them."""
    while True:
        missing = _missing(candidate)
        candidate.missing_fields[:] = [{"label": label, "type": MADE_AS} for label in missing]
        skipped = candidate.kept.skipped.get(FIELDS, [])
        needed = CUSTOMER_ID_LABEL in missing
        if not missing:
            return StepResult(DONE, "the account has all fields")
        if not needed and (candidate.skip_fields or set(missing) <= set(skipped)):
            return _leave_out(candidate, missing)
        if (person := candidate.person) is None:
            return _waits(missing)
        answer = _ask(candidate, missing, needed=needed)
        if answer == "q":
            return _waits(missing)
        if answer == "s" and not needed:
            return _leave_out(candidate, missing)
        if answer == "s":
            person.show(f"{CUSTOMER_ID_LABEL} cannot be left out: by it a contact is known for good")


def _ask(candidate: Candidate, missing: list[str], *, needed: bool) -> str:
    assert candidate.person is not None
    candidate.person.show(f"Make these custom fields in {SIMPLETEXTING.title}, exactly as they stand here:")
    candidate.person.show_table(("label", "type"), [(label, MADE_AS) for label in missing])
    others = "" if needed else ", s: leave these out"
    return candidate.person.ask(f"Enter: look again{others}, q: stop here").casefold()


def _leave_out(candidate: Candidate, missing: list[str]) -> StepResult:
    candidate.kept.skipped[FIELDS] = missing
    return StepResult(SKIPPED, f"left out: {', '.join(missing)}")


def _waits(missing: list[str]) -> StepResult:
    do = f"make them in {SIMPLETEXTING.title} (type {MADE_AS}), exactly as they are written"
    if CUSTOMER_ID_LABEL not in missing:
        do += ", or leave them out: --skip-fields"
    return StepResult(WAITING, f"the account lacks {', '.join(missing)}", do)


def _missing(candidate: Candidate) -> list[str]:
    client, field_map = candidate.session.client(SIMPLETEXTING), load_field_map(candidate.merchant)
    # One request is enough where its page has all of them; only where it has not is the whole list walked.
    labels = _lacking([CustomFieldItem.read(row) for row in client.list_custom_fields(0).rows], field_map)
    if labels:
        labels = _lacking(list_custom_fields(client), field_map)
    return sorted(labels, key=lambda label: label != CUSTOMER_ID_LABEL)  # what cannot be left out comes first


def _lacking(found: Sequence[CustomFieldItem], field_map: FieldMap) -> list[str]:
    fields = [CustomField(one.label.strip(), one.mergeTag or "") for one in found if one.label and one.label.strip()]
    return [row.to for row in resolve_fields(field_map, fields).missing]


# --- the dry run --------------------------------------------------------------------------------------------------


def no_overlap(run: Run) -> str | None:
    """Say that many contacts have opted in and none of them is a customer: the keys may be of two wineries."""
    with run.open() as db:
        opted_in = db.value("select count(*) from raw.simpletexting_contacts where not gone and status = ?", [OPT_IN])
        linked = db.value("select count(*) from planned.targets where subject_id is not null")
    if int(opted_in) < FEWEST_TO_OVERLAP or linked:
        return None
    return f"{opted_in} contacts have opted in, and not one of them is a customer: are the keys of two wineries?"


SETUP = RouteSetup(
    columns=(BOUGHT, PAID),
    before_entry=(RouteStep(SERVICE, take_service),),
    after_entry=(RouteStep(FIELDS, take_fields),),
    differs=_differs,
    no_overlap=no_overlap,
)
