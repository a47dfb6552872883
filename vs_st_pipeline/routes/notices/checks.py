"""Lists the data-quality checks of this route: what a person should know, and what to do (notices.md 9.2)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.routes.notices import metrics
from vs_st_pipeline.routes.notices.assets import ACTIONS, CONSENTS, RECEIPTS, REPLIES, TEMPLATES
from vs_st_pipeline.routes.notices.stage_names import PUSH, STAGED

_NEVER: Final = "This may not happen. Set `paused: [notices]` in the entry and report it at once."

CHECKS: Final = (
    Check(
        PUSH, "no_message_twice", "notices of which more than one message may be with the customer",
        _NEVER, metrics.twice, blocking=True,
    ),
    Check(
        PUSH, "no_message_without_consent", "messages that were sent without stored evidence of an opt-in",
        _NEVER, metrics.without_consent, blocking=True,
    ),
    Check(
        PUSH, "no_message_out_of_order", "messages that were sent after one of a later status of their unit",
        _NEVER, metrics.out_of_order, blocking=True,
    ),
    Check(
        TEMPLATES, "templates_fit", "enabled notifications whose template does not fit, or was not seen",
        "Their messages wait. `vs-st notices templates check` says of each what is wrong.",
        metrics.templates_unfit,
    ),
    Check(
        PUSH, "unknown_messages", "messages that may be with the customer, which nobody knows",
        "They are never sent again by themselves. Look at Gupshup's own log, then `vs-st notices resolve`.",
        metrics.unknown, percent=1,
    ),
    Check(
        PUSH, "failed_share", "messages of the last 24 hours that failed",
        "`vs-st why --route notices` shows the code of one. Is the number's quality low, or a template refused?",
        metrics.failed, percent=10,
    ),
    Check(
        RECEIPTS, "callbacks_come", "messages of the last hour, where 20 or more brought no callback at all",
        "Is the account's callback URL that of `vs-st webhooks list --show-urls`, and does `vs-st receive` run?",
        metrics.silent,
    ),
    Check(
        REPLIES, "replies_understood", "replies of the last 30 days that led to nothing",
        "Add a rule to `notices.replies`, or a button to the template.",
        metrics.not_understood, percent=30,
    ),
    Check(
        ACTIONS, "actions_done", "actions that Eshopbox refused, or of which it is not known whether they were taken",
        "`vs-st notices activity` shows one. Take it by hand in Eshopbox.",
        metrics.actions_open,
    ),
    Check(
        STAGED, "clock_ahead", "statuses whose time lies in the future",
        "They are not announced. Is `eshopbox.time_zone` right?",
        metrics.clock_ahead, percent=1,
    ),
    Check(
        CONSENTS, "opt_in_seen", "orders of the last 7 days without any evidence of an opt-in",
        "Their messages wait `not_opted_in`. See `notices.opt_in`.",
        metrics.no_opt_in, percent=90,
    ),
)  # fmt: skip
