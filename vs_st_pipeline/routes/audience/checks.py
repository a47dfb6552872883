"""Lists the data-quality checks of this route: what a person should know, and what to do (audience.md 9)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.routes.audience import metrics
from vs_st_pipeline.routes.audience.assets import HISTORY, REGISTRATION, STAGED_KINDS, TITLE
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH

CHECKS: Final = (
    Check(
        REGISTRATION, "registered", f"shops that are not registered at {TITLE}",
        "Nothing is told before. See how the last sync ended: a refused registration is asked again with growing gaps, "
        "at once when user name or password change, or by `vs-st connect`.",
        metrics.registered,
    ),
    Check(
        HISTORY, "history_complete", "blocks of the history that are not done",
        "No event goes before all five are. It goes on by itself; `vs-st merchants` says how far it is.",
        metrics.history_open,
    ),
    Check(
        PUSH, "events_waiting", "events that wait for more than an hour",
        f"Is `vs-st work` or Dagster running? `vs-st sync --route audience` says what {TITLE} answers.",
        metrics.events_waiting,
    ),
    Check(
        PUSH, "rejected_events", "events and records that were refused for 30 days, and are not tried any more",
        "`vs-st why --route audience` shows one; put it right and run `vs-st retry --route audience`, or give it up "
        "with --drop.",
        metrics.refused,
    ),
    Check(
        PUSH, "unknown_outcomes", f"events and records that may be at {TITLE}, which nobody knows",
        "With waymore.on_unknown: resend each sync sends them again. With hold: look there, then `vs-st retry`, or "
        "`vs-st retry --drop`.",
        metrics.unknown,
    ),
    Check(
        PUSH, "subscribers_have_evidence", f"addresses that {TITLE} was told as subscribed without stored evidence",
        "This may not happen. Report it at once, and have these addresses unsubscribed there until it is found out.",
        metrics.without_evidence, blocking=True,
    ),
    Check(
        STAGED_KINDS["orders"], "orders_name_known_products", "orders with a line of a product that is not there",
        f"They are told all the same; {TITLE} cannot show that product. Often it was sold once and is gone.",
        metrics.unknown_products, percent=20,
    ),
    Check(
        PLAN, "late_changes", "changes that were seen too late to be told, in the last 30 days",
        "Payments, sold-out products and searches are worth nothing a day later (waymore.late_after). Is the sync "
        "running often enough?",
        metrics.late, percent=5,
    ),
    Check(
        STAGED_KINDS["products"], "products_without_price", "products without a price",
        "They are told without one. Put it right at the source.",
        metrics.without_price, percent=10,
    ),
)  # fmt: skip
