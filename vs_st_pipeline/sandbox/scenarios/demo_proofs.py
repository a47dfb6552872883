"""Says by the stand-ins' own books what was told to whom in the demo, and whether anybody was told twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Final

from vs_st_pipeline.sandbox.core.consumer_findings import TARGET
from vs_st_pipeline.sandbox.core.foreground import TITLES
from vs_st_pipeline.sandbox.core.order_findings import accepted
from vs_st_pipeline.sandbox.core.process import Sandbox

KINDS: Final = ("customers", "subscribers", "products", "wishlist", "orders")


def proof(box: Sandbox) -> list[str]:
    """Return a sentence about what was told; after it one for each thing that no client may do, if there is any."""
    judged = next(judge for system, judge in _JUDGES.items() if system in box.running)
    said, wrong = judged(box)
    return [said, *wrong, *(f"{one['system']} finds {one['what']}" for one in box.findings())]


def _contacts(box: Sandbox) -> tuple[str, list[str]]:
    known: dict[tuple[str, str], Any] = {}
    writes = again = 0
    for contact, says in _writes(box.simpletexting.control.journal()):
        writes, again = writes + 1, again + (known.get(contact) == says)
        known[contact] = says
    wrong = [f"{again} contacts were written though they said it"] if again else []
    wrong += [f"simpletexting finds {one['what']}" for one in box.simpletexting.control.violations()]
    return f"SimpleTexting's books: {writes} writes to {len(known)} contacts; none says what was there before.", wrong


def _writes(journal: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield what was written, by whom and to whom: (merchant, contact), and all that the write said."""
    for entry in journal:
        body, path = entry["body"], str(entry["path"])
        if isinstance(body, dict) and "contacts" in path and 200 <= (entry["status"] or 0) < 300:
            for update in body.get("updates") or [body]:
                yield (str(entry["merchant"]), str(update.get("contactPhone") or path.rpartition("/")[2])), update


def _orders(box: Sandbox) -> tuple[str, list[str]]:
    sent = {id: orders for one in box.merchants for id, orders in accepted(box.running, one.id).items()}
    mails = Counter(mail["order_number"] for one in box.merchants for mail in box.commerce7.control.mails(one.id))
    wrong = [f"order {id} was accepted {len(orders)} times" for id, orders in sent.items() if len(orders) > 1]
    wrong += [f"the buyer of order {number} was mailed {count} times" for number, count in mails.items() if count > 1]
    mailed = f"the buyer of {', '.join(map(str, mails))}, once" if mails else "nobody yet"
    voided = Counter(gone["number"] for one in box.merchants for gone in box.vinoshipper.control.cancellations(one.id))
    wrong += [f"order {number} was voided {count} times" for number, count in voided.items() if count > 1]
    of_them = f", {len(voided)} voided" if voided else ""
    return f"Vinoshipper's books: {len(sent)} orders, each once{of_them}. Commerce7 mailed {mailed}.", wrong


def _audience(box: Sandbox) -> tuple[str, list[str]]:
    control, shops = box.waymore.control, [one.id for one in box.merchants]
    events = [one for shop in shops for one in control.events(shop) if not one["refused"]]
    written = [(one["merchant"], one["what"], one["id"], one["to"]) for one in control.messages()]
    records = sum(len(control.all(kind, shop)) for shop in shops for kind in KINDS)
    mails = _number(len(written), "mail")
    said = f"WayMore: {records} records, {len(events)} events, {mails}; none twice."
    return said, _repeated(written, "an automation wrote")


def _notices(box: Sandbox) -> tuple[str, list[str]]:
    sent = box.gupshup.control.sends()
    done = [
        one for merchant in box.merchants for one in box.eshopbox.control.resolutions(merchant.id)
        if one["did"] == "submitted"
    ]  # fmt: skip
    phones = len({one["destination"] for one in sent})
    texts = [(one["destination"], one["text"]) for one in sent]
    orders = [one["body"]["customerOrderNumber"] for one in done]
    told = f"{_number(len(sent), 'message')} to {_number(phones, 'phone')}, none twice" if sent else "nobody was told"
    said = f"Gupshup: {told}."
    asked = f"Eshopbox: asked about {', '.join(orders)}, once." if orders else "Eshopbox: asked nothing yet."
    return f"{said} {asked}", [*_repeated(texts, "Gupshup sent"), *_repeated(orders, "Eshopbox was asked")]


def _consumers(box: Sandbox) -> tuple[str, list[str]]:
    counts, wrong = [], []
    for system in ("hubspot", "klaviyo", "salesforce"):
        books = [one for one in box.running[system].control.books() if one["seq"]]
        told = [
            (one["merchant"], one.get("email"), one[TARGET[system, one["what"]]])
            for one in books
            if (system, one["what"]) in TARGET and one["what"] != "list_added"
        ]
        counts.append(f"{TITLES[system]} {len(told)}")
        wrong += _repeated(told, f"{TITLES[system]} was told")
    return f"By their books: {', '.join(counts)} subscriptions; none twice.", wrong


_JUDGES: Final[Mapping[str, Callable[[Sandbox], tuple[str, list[str]]]]] = {
    "simpletexting": _contacts,
    "gupshup": _notices,
    "waymore": _audience,
    "sopost": _consumers,
    "commerce7": _orders,
}
"""By the system that tells a route's world from the others': shops stand in several."""


def _repeated(told: Iterable[Hashable], what: str) -> list[str]:
    return [f"{what} the same {count} times" for count in Counter(told).values() if count > 1]


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
