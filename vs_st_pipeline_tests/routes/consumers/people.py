"""Makes people, consents and what a CRM says of them, for tests of what is decided of one person."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vs_st_pipeline.domain.crm import CrmRecord, Seen, Sought, Standing, State, Target
from vs_st_pipeline.domain.emails import person_key as key_of
from vs_st_pipeline.routes.consumers.consumers import Consumer, Offer
from vs_st_pipeline.routes.consumers.judging import Act, Action, Outcome

NOW = datetime(2026, 6, 1, 12)
NEWS, TRIAL = Target("123456", ("42",)), Target("777")
_numbers = itertools.count(1)


def ago(**given: float) -> datetime:
    return NOW - timedelta(**given)


def sought(email: str = "jane@example.com", record_id: str | None = None) -> Sought:
    return Sought(key_of(email.lower()), email, email.lower(), record_id)


def offer(order_id: str = "o1", target: Target = NEWS, **given: Any) -> Offer:
    usual: dict[str, Any] = {
        "short_id": order_id.upper(),
        "activity_id": "a1",
        "consent_id": f"c-{target.id}",
        "data_handler": "Glow Skin",
        "consent_name": "News",
        "consent_status": "APPROVED",
        "text_version": "2026-05",
        "standing": True,
        "usable": True,
        "withdrawn": False,
        "imported": False,
        "may_create": True,
        "first_seen_at": ago(hours=1),
        "order_read_at": NOW,
        "ordered_at": None,
        "earliest_at": ago(hours=25),
        "body_sha256": "ab",
    }
    return Offer(order_id=order_id, target=target, **{**usual, **given})


def consumer(*offers: Offer, email: str = "jane@example.com", **given: Any) -> Consumer:
    values = given.pop("values", {"consumer.first_name": "Jane"})
    return Consumer(sought(email), values, offers, orders=[one.order_id for one in offers], **given)


def seen(state: State | Standing = State.NEVER, target: Target = NEWS, *, record: bool = True, **given: Any) -> Seen:
    standing = state if isinstance(state, Standing) else Standing(state)
    standings = given.pop("standings", {NEWS: Standing(State.NEVER), TRIAL: Standing(State.NEVER), target: standing})
    found = CrmRecord("r1", "jane@example.com", {}, {}) if record and not given.get("held") else None
    return Seen(found, given.pop("held", None), standings, 0.0, **given)


def unsubscribed(since: datetime | None, **given: Any) -> Standing:
    return Standing(State.UNSUBSCRIBED, None if since is None else since.replace(tzinfo=UTC), **given)


def act(of: Offer, action: Action = Action.SUBSCRIBE, outcome: Outcome = Outcome.ACCEPTED, **given: Any) -> Act:
    usual: dict[str, Any] = {
        "lists": of.target.lists,
        "lists_open": False,
        "state_before": "never",
        "contact_id": "r1",
        "sent_at": ago(days=1),
    }
    names: Sequence[Any] = (f"run-{next(_numbers)}", *of.spent_as, of.target.id, action, outcome)
    return Act(*names, **{**usual, **given})
