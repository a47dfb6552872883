"""Lists the data-quality checks of this route: for each stage what a person should know, and what to do.

Two of them must never fail; where one does, people are alerted in any kind of run (`standing.py`).
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.field_forms import MISSING_FIELD, OPTION_MISSING, TYPE_MISMATCH
from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.routes.consumers import metrics
from vs_st_pipeline.routes.consumers.assets import CONSENTS, SOURCE, STAGED_ORDERS, TITLES
from vs_st_pipeline.routes.consumers.evidence_checks import evidence_missing, subscribed_without_consent
from vs_st_pipeline.routes.consumers.stage_names import EVENTS, ORDERS, PLANNED, SYNCED
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES

_READ = (
    Check(
        EVENTS, "events_are_usable", "calls of webhooks that name no order",
        f"Nothing can be made of them, and nothing of them is kept but size and hash. If they are {SOURCE}'s, its "
        "webhooks have changed: report it. If not, somebody else has the URL: `vs-st webhooks rotate`.",
        metrics.unusable_events,
    ),
    Check(
        EVENTS, "inbox_is_not_quiet", "merchants of whom no event came for longer than sopost.quiet_after",
        f"{SOURCE} has no list of orders: what no webhook tells is never seen. See whether orders come in there; if "
        "so, register the webhook again (`vs-st consumers register --again`) and import what was missed.",
        metrics.quiet,
    ),
    Check(
        ORDERS, "orders_are_readable", "orders that could not be read when last asked for",
        "They are asked for again with growing gaps, for 30 days. not_visible: the key may not see them; not_found: "
        "they may not be there yet, or base_url is another environment's.",
        metrics.unreadable_orders, percent=5,
    ),
    Check(
        STAGED_ORDERS, "statuses_are_known", "orders with a status that the settings do not list",
        "Nothing is written from them. Put the status into sopost.statuses: `vs-st check` prints it ready to paste.",
        metrics.unknown_statuses,
    ),
    Check(
        CONSENTS, "consents_are_mapped", "consents that consumers.consents does not list",
        "They subscribe nobody. Add them with their targets, or with `ignore: true`: `vs-st check` prints them ready "
        "to paste.",
        metrics.unlisted_consents("unmapped"),
    ),
    Check(
        CONSENTS, "handlers_match", "consents that are listed, given to another data handler",
        "They subscribe nobody: a consent is given to somebody. Compare the name with what the settings have.",
        metrics.unlisted_consents("handler_mismatch"),
    ),
)  # fmt: skip


def _of(crm: str) -> tuple[Check, ...]:
    title = TITLES[crm]
    return (
        Check(
            PLANNED[crm], "fields_exist", f"consumers with a value that {title} has no field or no choice for",
            "It is left out, all else is written. `vs-st check` names the fields and types to create.",
            metrics.noted(crm, (MISSING_FIELD, OPTION_MISSING, TYPE_MISMATCH)),
        ),
        Check(
            PLANNED[crm], "targets_exist", "subscriptions that wait because what they are to is not there",
            f"Fields are written, nobody is subscribed. Correct the id in consumers.consents, or make it in {title}.",
            metrics.missing_targets(crm),
        ),
        Check(
            SYNCED[crm], "nobody_subscribed_without_consent", "people subscribed though no consent covers it",
            "This must never be. Stop the schedule, unsubscribe the people that are named, and report it at once.",
            subscribed_without_consent(crm), blocking=True,
        ),
        Check(
            SYNCED[crm], "evidence_is_complete", "subscriptions that left without evidence stored before",
            "This must never be. Stop the schedule and report it at once: `vs-st consumers evidence` shows it.",
            evidence_missing(crm), blocking=True,
        ),
    )  # fmt: skip


CHECKS: Final = (*_READ, *(check for crm in CRM_NAMES for check in _of(crm)))
MUST_NEVER: Final = ("nobody_subscribed_without_consent", "evidence_is_complete")
