"""Builds what a batch is sent as, and reads what became of each of its items; it decides nothing about what that means.

Data flow: LiveContact + changes -> request body; task id -> polled results -> BatchOutcome.

Accepted is not applied: the answer to a batch is a task's id, and only the polled result of an item counts. Items
are matched by phone, not by position; results may be absent, partial, duplicated or late.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors.simpletexting.accidental_contacts import CallWindow
from vs_st_pipeline.connectors.simpletexting.client import BatchItem, BatchResult, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Refused, TryLater
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.platform.cpu_slots import releasing
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry

FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 15.0
IMPORT_LIMIT = "CONTACT_IMPORT_LIMIT_IS_REACHED"
NOT_APPLIED = "NOT_APPLIED"  # our own code: accepted, no result ever came, and the values do not show

WRITE_FAILS = "WRITE_FAILS"  # our own code: every write of this contact fails, and those of others pass


@dataclass(slots=True)
class BatchOutcome:
    """What became of a batch, by the contact ids that the batch addressed.

    Attributes:
        accepted: written, under the id that was addressed.
        rejected: refused, with the code.
        mismatched: written to another contact, with that contact's id.
        unknown: no result; only reading the contact tells.
        import_limit: SimpleTexting says that it would have to create contacts, which we never want.
        done: the task said that it is done; otherwise what is unknown may still come.
        called: SimpleTexting's clock around the call.
    """

    accepted: list[str] = field(default_factory=list)
    rejected: dict[str, str | None] = field(default_factory=dict)
    mismatched: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    import_limit: bool = False
    done: bool = False
    called: CallWindow = CallWindow(None, None)


def write_body(contact: LiveContact, changes: Sequence[Change]) -> dict[str, Any]:
    """Return the body of a write: what changes, and, if that is a custom field, all custom fields of the contact.

    Whether an account merges or replaces `customFields` is not known, so what is written is the union of what was
    just read and what is ours; then both kinds of account end up alike. The phone is sent as the contact's own, because
    a blank one is refused.
    """
    body: dict[str, Any] = {"contactPhone": parse_nanp(contact.phone) or contact.phone}
    body.update({change.key: change.new for change in changes if change.kind == "builtin"})
    custom = {change.key: change.new for change in changes if change.kind == "custom"}
    if custom:
        theirs = {key: value for key, value in contact.custom.items() if value}
        body["customFields"] = {**theirs, **contact.odd, **custom}
    return body


def collect(
    st: SimpleTextingClient,
    task_id: str,
    sending: Sequence[OutboxEntry],
    called: CallWindow,
    *,
    wait: timedelta,
    progress: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> BatchOutcome:
    """Poll a batch's task until it is done or `wait` is over.

    Args:
        sending: the contacts of the batch. A result names a phone only, so a contact without a phone, or with one that
            another contact shares, stays unknown.
        called: SimpleTexting's clock around the call.

    Raises:
        BadKey: the token is not accepted.
    """
    outcome = BatchOutcome(called=called)
    shared = Counter(sent.phone for sent in sending)
    told: dict[str, BatchItem] = {}
    results, outcome.done = _poll(st, task_id, wait, progress, releasing(sleep))
    for result in results:
        phone = parse_nanp(result.contactPhone)
        if phone and (phone not in told or result.done):
            told[phone] = result
    for sent in sending:
        named = sent.phone is not None and shared[sent.phone] == 1
        _sort_in(outcome, sent.target.id, told.get(sent.phone or "") if named else None)
    return outcome


def _sort_in(outcome: BatchOutcome, contact_id: str, result: BatchItem | None) -> None:
    if result is None or result.done is None:
        outcome.unknown.append(contact_id)
    elif not result.done:
        outcome.rejected[contact_id] = result.errorCode
        outcome.import_limit = outcome.import_limit or result.errorCode == IMPORT_LIMIT
    elif not result.contactId:
        outcome.unknown.append(contact_id)  # done, but to which contact? Only reading tells.
    elif result.contactId != contact_id:
        outcome.mismatched[contact_id] = result.contactId
    else:
        outcome.accepted.append(contact_id)


def _poll(
    st: SimpleTextingClient,
    task_id: str,
    wait: timedelta,
    progress: Callable[[str], None],
    sleep: Callable[[float], None],
) -> tuple[list[BatchItem], bool]:
    """Return all results given until the task is done, and whether it is; results given in progress count as well."""
    give_up_at = time.monotonic() + wait.total_seconds()
    pause = FIRST_POLL_SECONDS
    latest: BatchResult | None = None
    while True:
        try:
            latest = st.batch_result(task_id)
        except BadKey:
            raise
        except (Refused, TryLater, BadAnswer):
            break  # the task cannot be asked; the results given before count, the rest is unknown
        if (latest.status or "").upper() == "DONE":
            return latest.results or [], True
        if time.monotonic() + pause > give_up_at:
            break
        progress("waiting for SimpleTexting to finish a batch")
        sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)
    return (latest.results or []) if latest else [], False
