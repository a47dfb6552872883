"""Says what the names of the field map stand for, from the orders of a person that one CRM may be told of.

Data flow: staged orders, consents, staged.answers -> values by name (consumers.md 5.4, 5.5). What no
order says is left out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vs_st_pipeline.domain.countries import two_letters
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers.bodies import ADDRESS, first_and_last
from vs_st_pipeline.routes.consumers.words import ANSWER_IDS, ANSWERS

if TYPE_CHECKING:
    from vs_st_pipeline.routes.consumers.consumers import Offer, Value


class Answer(NamedTuple):
    """One answer of an order; `id` is `#<position>` where it has none."""

    id: str
    question: str | None
    text: str | None


def answers_of(db: Db, order_ids: Collection[str]) -> dict[str, dict[str, list[Answer]]]:
    """Return the answers of these orders by order and question, as they were given."""
    if not order_ids:
        return {}
    with db.batch({"order_id": sorted(order_ids)}) as batch:
        rows = db.rows(
            f"""select order_id, question_id, answer_id, question_text, answer_text
                from staged.answers semi join {batch} using (order_id)
                order by order_id, question_id, position, answer_id"""
        )
    found: dict[str, dict[str, list[Answer]]] = {}
    for order_id, question_id, *row in rows:
        found.setdefault(order_id, {}).setdefault(question_id, []).append(Answer(*row))
    return found


def values_of(
    told: Sequence[Mapping[str, Any]],
    counting: Sequence[Offer],
    answers: Mapping[str, Mapping[str, Sequence[Answer]]],
) -> dict[str, Value]:
    """Return what the names of the field map stand for.

    Args:
        told: orders that may be told, newest first. counting: consents that count here. answers: of these orders.
    """
    standing = [one for one in counting if one.standing]
    found: dict[str, Value] = {
        "consumer.order_count": len(told),
        "consents.names": _listed(one.consent_name for one in standing),
        "consents.ids": _listed(one.consent_id for one in standing),
        "consents.handlers": _listed(one.data_handler for one in standing),
        "consents.newest_at": max((one.first_seen_at for one in standing), default=None),
    }
    if told:
        found |= _of_newest(told[0])
        found |= _answered(told, answers)
    return found


def _of_newest(order: Mapping[str, Any]) -> dict[str, Value]:
    """Return what the newest order says; what it is silent about is left out, not cleared."""
    silent = set(json.loads(order["silent"])) if order["silent"] else set()
    first, last = first_and_last(order["full_name"])
    found: dict[str, Value] = {
        "consumer.email": order["email"],
        "newest_order.id": order["order_id"],
        "newest_order.status": order["status"],
    }
    if order["ordered_at"] is not None:
        found["newest_order.ordered_at"] = order["ordered_at"]
    for said, names in (
        (
            "full_name",
            {"consumer.full_name": order["full_name"], "consumer.first_name": first, "consumer.last_name": last},
        ),
        (
            "territory",
            {"consumer.country_3": order["territory"], "consumer.country_2": two_letters(order["territory"])},
        ),
        ("products", {"newest_order.products": tuple(json.loads(order["products"]))}),
        *((name, {f"consumer.{name}": order[name]}) for name in ("telephone", "identity", *ADDRESS[:-1])),
        *((name, {f"newest_order.{name}": order[name]}) for name in ("short_id", "activity_id", "provider")),
    ):
        if said not in silent:
            found |= names
    return found


def _answered(
    told: Sequence[Mapping[str, Any]], answers: Mapping[str, Mapping[str, Sequence[Answer]]]
) -> dict[str, Value]:
    """Return the answers to each question, of the newest order that answered it (5.5)."""
    newest: dict[str, Sequence[Answer]] = {}
    for order in told:
        for question, given in answers.get(order["order_id"], {}).items():
            newest.setdefault(question, given)
    found: dict[str, Value] = {}
    lines = []
    for question, given in sorted(newest.items()):
        texts = [one.text for one in given if one.text is not None]
        found[f"{ANSWERS}{question}"] = _listed(texts)
        found[f"{ANSWER_IDS}{question}"] = _listed(one.id for one in given if not one.id.startswith("#"))
        if texts:
            lines.append(f"{given[0].question or question}: {', '.join(dict.fromkeys(texts))}")
    if lines:
        found["answers.all"] = "\n".join(lines)
    return found


def _listed(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({one for one in values if one}))
