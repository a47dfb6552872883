"""Lists the data-quality checks of this route: for each stage what a person should know, and what to do."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.routes.orders import metrics
from vs_st_pipeline.routes.orders.assets import PRODUCTS_THERE, PUSH_BACK, SHIPPER_TITLE, SHOP_TITLE
from vs_st_pipeline.routes.orders.stage_names import PLAN, PRODUCTS, PUSH, SHOP_ORDERS

CHECKS: Final = (
    Check(
        SHOP_ORDERS, "no_gaps", f"order numbers that {SHOP_TITLE} never showed",
        f"Its numbers go up by one, so an order may be missing. Look for it at {SHOP_TITLE}; if it is there and is "
        "to be shipped: `vs-st orders send` with it.",
        metrics.gaps,
    ),
    Check(
        PRODUCTS, "skus_match", f"SKUs of {SHOP_TITLE} that {SHIPPER_TITLE} does not sell in the same letters",
        "Orders with one of them fail with unknown_sku. `vs-st orders products` lists them. What is never shipped "
        "(tickets, gift cards) may stay.",
        metrics.skus,
    ),
    Check(
        PRODUCTS_THERE, "prices_match", "SKUs that both shops sell at different prices",
        f"Orders go at the price that was charged at {SHOP_TITLE}; nothing is overwritten. `vs-st orders products` "
        "shows both prices: make them equal where they should be.",
        metrics.prices,
    ),
    Check(
        PLAN, "rates_known", "orders whose way of shipping stands in no row of the table of rates",
        "They fail, and none is guessed. Add the row to orders.rates; `vs-st check` names it.",
        metrics.rates,
    ),
    Check(
        PUSH, "orders_are_sent_soon", "orders that may be sent for 30 minutes and are not",
        "Is `vs-st work` or Dagster running? `queued`: send_at_most. `try_later`, `auth`: see how the last sync ended. "
        f"`sending`: whether {SHIPPER_TITLE} has it is looked for.",
        metrics.not_sent_soon,
    ),
    Check(
        PUSH, "no_write_is_unknown", "writes that left, and of which it is not known whether they were taken",
        "Each sync looks for them, and none is made twice. If it stays so for hours, look at the orders there by hand; "
        "do not enter them again.",
        metrics.unknown_writes,
    ),
    Check(
        PUSH, "failed_orders", "orders that failed and still stand so",
        "Nothing of them is shipped. `vs-st orders list --state failed` lists them, `vs-st orders show` says what to "
        "do.",
        metrics.failed,
    ),
    Check(
        PUSH, "changed_after_sent", f"orders that were edited at {SHOP_TITLE} after they were sent",
        f"{SHIPPER_TITLE} ships what was sent. Tell it of the change, or void the order and place a new one.",
        metrics.noted(("changed_after_sent",)),
    ),
    Check(
        PUSH, "refunded_not_voided", "orders that were refunded or cancelled after they were sent, and still ship",
        "`vs-st orders void` with a reason, before they leave; of a part: tell the shipper.",
        metrics.noted(("refunded_after_sent",)),
    ),
    Check(
        PUSH_BACK, "tracking_written", f"orders on their way that are not fulfilled at {SHOP_TITLE} yet",
        "Their customers were told no tracking number. `vs-st orders show` says why; fulfill them there by hand if it "
        "stays so.",
        metrics.tracking_late,
    ),
)  # fmt: skip
