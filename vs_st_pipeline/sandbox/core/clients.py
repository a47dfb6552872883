"""Calls the control API, for tests and the demo; uses the standard library alone.

It is long because it has a method for each thing that a test does to a stand-in, most of one line.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from vs_st_pipeline.sandbox.scenarios.fixtures import LABELS, merge_tag

Record = dict[str, Any]

OURS = {merge_tag(label) for label in LABELS}


class ControlError(Exception):
    """The stand-in refused a control request; the text is its own."""


class Control:
    """What both systems' controls can do; `merchant=None` means all for switches and journal, else the first one.

    Args:
        trusted: certificate (PEM) of the authority that signed the stand-in's, where `url` is HTTPS.
    """

    def __init__(self, url: str, first_merchant: str, trusted: Path | None = None) -> None:
        self.url = url
        self.first_merchant = first_merchant
        self._lock = threading.Lock()
        place = urlsplit(url).netloc
        if trusted is None:
            self._connection = http.client.HTTPConnection(place, timeout=30)
        else:
            context = ssl.create_default_context(cafile=str(trusted))
            self._connection = http.client.HTTPSConnection(place, timeout=30, context=context)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send one control request, for what has no method of its own here."""
        asked = {key: str(value) for key, value in query.items() if value is not None}
        target = f"/__control__/{path}" + (f"?{urlencode(asked)}" if asked else "")
        payload = None if body is None else json.dumps(body, default=str)
        with self._lock:
            try:
                status, text = self._exchange(method, target, payload)
            except (http.client.HTTPException, ConnectionError):
                # The server closed a connection that was idle.
                self._connection.close()
                status, text = self._exchange(method, target, payload)
        answer = json.loads(text) if text else None
        if status >= 400:
            raise ControlError(f"{status} {answer['error'] if isinstance(answer, dict) else text!r}")
        return answer

    def _exchange(self, method: str, target: str, payload: str | None) -> tuple[int, bytes]:
        self._connection.request(method, target, payload, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    # Behaviour.

    def set_switch(self, name: str, value: Any, merchant: str | None = None) -> None:
        """Set one switch for a merchant, or for all."""
        self.set_switches({name: value}, merchant)

    def set_switches(self, values: Record, merchant: str | None = None) -> None:
        """Set several switches for a merchant, or for all."""
        self.call("PUT", "switches", values, merchant=merchant)

    def switches(self, merchant: str | None = None) -> Record:
        """Return the switches as they are."""
        found: Record = self.call("GET", "switches", merchant=merchant)["switches"]
        return found

    def set_fault(self, kind: str, merchant: str | None = None, **fields: Any) -> None:
        """Make requests fail: path_regex, method, skip, count, seconds, status, retry_after, when."""
        self.set_switch("fault", {"kind": kind, **fields}, merchant)

    def renew(self, keys: dict[str, str]) -> None:
        """Give out new keys, {now: new}; those that were given out before are refused from now on, until a reset."""
        self.call("POST", "renew", keys)

    def clear_faults(self, merchant: str | None = None) -> None:
        """Clear all faults (of the merchant, or those set for all)."""
        self.set_switch("fault", None, merchant)

    def add_hook(
        self,
        change: Record | list[Record],
        on: str = "write",
        nth: int = 1,
        merchant: str | None = None,
        method: str | None = None,
        path_regex: str | None = None,
    ) -> None:
        """Apply {kind, op, id, fields} right before the nth matching request, write or batch_apply."""
        hook = {
            "change": change,
            "on": on,
            "nth": nth,
            "merchant": merchant,
            "method": method,
            "path_regex": path_regex,
        }
        self.call("POST", "hooks", hook)

    def hooks(self) -> list[Record]:
        """Return all hooks; `left` is 0 for those that have been carried out."""
        found: list[Record] = self.call("GET", "hooks")
        return found

    def clear_hooks(self) -> None:
        """Clear all hooks."""
        self.call("DELETE", "hooks")

    def journal(self, merchant: str | None = None, since: int = 0) -> list[Record]:
        """Return requests after a number: seq, time, merchant, method, path, query, body, status, answered, fault."""
        found: list[Record] = self.call("GET", "journal", merchant=merchant, since=since)
        return found

    def clear_journal(self) -> None:
        """Forget all requests."""
        self.call("POST", "journal/clear")

    def reset(self) -> None:
        """Reset records, switches, faults, hooks, journal and counters to the start."""
        self.call("POST", "reset")

    def stop(self) -> None:
        """Stop the server."""
        self.call("POST", "stop")

    def send_webhooks(self, events: list[Record], merchant: str | None = None) -> int:
        """Send webhook calls for these events; return the number of calls."""
        body = {"events": events}
        return int(self.call("POST", "webhooks/send", body, merchant=merchant or self.first_merchant)["calls"])

    def deliveries(self, merchant: str | None = None, webhook: str | None = None) -> list[Record]:
        """Return webhook calls, oldest first: delivery, merchant, webhook, url, about, state, status, tries, body, ...

        `state` is waiting, sending, sent (a 2xx came), failed or dropped; `status` is the last one, 0 where none came.
        """
        found: list[Record] = self.call("GET", "deliveries", merchant=merchant, webhook=webhook)
        return found

    # Records.

    def all(self, kind: str, merchant: str | None = None) -> list[Record]:
        """Return all records of a kind."""
        found: list[Record] = self.call("GET", f"records/{kind}", merchant=merchant or self.first_merchant)
        return found

    def one(self, kind: str, id: int | str, merchant: str | None = None) -> Record:
        """Return one record."""
        path = f"records/{kind}/{quote(str(id), safe='')}"
        found: Record = self.call("GET", path, merchant=merchant or self.first_merchant)
        return found

    def add(self, kind: str, fields: Record, merchant: str | None = None) -> Record:
        """Add a record; what is not given is filled in."""
        found: Record = self.call("POST", f"records/{kind}", fields, merchant=merchant or self.first_merchant)
        return found

    def patch(
        self, kind: str, id: int | str, fields: Record, merchant: str | None = None, touch: bool = True
    ) -> Record:
        """Change some fields of a record: objects are merged, null is stored as null."""
        path = f"records/{kind}/{quote(str(id), safe='')}"
        quiet = None if touch else "false"
        found: Record = self.call("PATCH", path, fields, merchant=merchant or self.first_merchant, touch=quiet)
        return found

    def delete(self, kind: str, id: int | str, merchant: str | None = None) -> None:
        """Delete a record."""
        self.call("DELETE", f"records/{kind}/{quote(str(id), safe='')}", merchant=merchant or self.first_merchant)


class VinoshipperControl(Control):
    """Control of the shop's stand-in; customers come as details with their memberships."""

    def customers(self, merchant: str | None = None) -> list[Record]:
        """Return all customers."""
        return self.all("customers", merchant)

    def customer(self, id: int | str, merchant: str | None = None) -> Record:
        """Return one customer."""
        return self.one("customers", id, merchant)

    def add_customer(self, merchant: str | None = None, **fields: Any) -> Record:
        """Add a customer."""
        return self.add("customers", fields, merchant)

    def patch_customer(self, id: int | str, merchant: str | None = None, **fields: Any) -> Record:
        """Change a customer."""
        return self.patch("customers", id, fields, merchant)

    def delete_customer(self, id: int | str, merchant: str | None = None) -> None:
        """Delete a customer and their memberships."""
        self.delete("customers", id, merchant)

    def orders(self, merchant: str | None = None) -> list[Record]:
        """Return all orders."""
        return self.all("orders", merchant)

    def order(self, number: str, merchant: str | None = None) -> Record:
        """Return one order."""
        return self.one("orders", number, merchant)

    def add_order(self, customer_id: int | None, merchant: str | None = None, **fields: Any) -> Record:
        """Add an order of a customer, placed now unless `purchasedAt` says otherwise."""
        return self.add("orders", {"customer": {"id": customer_id}, **fields}, merchant)

    def patch_order(self, number: str, merchant: str | None = None, **fields: Any) -> Record:
        """Change an order."""
        return self.patch("orders", number, fields, merchant)

    def delete_order(self, number: str, merchant: str | None = None) -> None:
        """Delete an order."""
        self.delete("orders", number, merchant)

    def memberships(self, merchant: str | None = None) -> list[Record]:
        """Return memberships, even canceled ones: id, customerId, clubName, dateJoined, hold, cancelled, modified."""
        return self.all("memberships", merchant)

    def add_membership(self, customer_id: int, merchant: str | None = None, **fields: Any) -> Record:
        """Add a membership."""
        return self.add("memberships", {"customerId": customer_id, **fields}, merchant)

    def patch_membership(self, id: int | str, merchant: str | None = None, **fields: Any) -> Record:
        """Change a membership: hold=True, cancelled=True, ..."""
        return self.patch("memberships", id, fields, merchant)

    # Route `orders`: what becomes of orders, and the books.

    def _of_order(self, what: str, number: str, merchant: str | None, **body: Any) -> Record:
        given = {"number": number, **body}
        found: Record = self.call("POST", f"orders/{what}", given, merchant=merchant or self.first_merchant)
        return found

    def advance(self, number: str, merchant: str | None = None, **how: Any) -> Record:
        """Let an order go on to the next stage, or to any (`to`), with its time (`at`) and number of `packages`."""
        return self._of_order("advance", number, merchant, **how)

    def track(self, number: str, merchant: str | None = None, tracking: str | None = None) -> Record:
        """Give the next package its number; with `tracking`, this one, or another to the last package."""
        return self._of_order("track", number, merchant, tracking=tracking)

    def cancel_order(self, number: str, merchant: str | None = None, reason: str | None = None) -> Record:
        """Cancel an order as a person at the shop does."""
        return self._of_order("cancel", number, merchant, reason=reason)

    def set_problems(
        self, number: str, *problems: Record, status: str | None = None, merchant: str | None = None
    ) -> Record:
        """Set what is wrong with an order, held or still to come: {code, description, type}; nothing mends it."""
        return self._of_order("problems", number, merchant, problems=list(problems), status=status)

    def fail_age(self, number: str, merchant: str | None = None) -> Record:
        """Let the age of an order's buyer be doubted, of one that is still to come, or at its next update."""
        doubt = {"code": "AGE_VERIFICATION", "description": "The age could not be verified", "type": "AGE"}
        return self.set_problems(number, doubt, status="AGE_VERIFICATION_FAILED", merchant=merchant)

    def approve_age(self, number: str, merchant: str | None = None) -> Record:
        """Approve the ID that a buyer showed: the order is taken when it is sent again."""
        return self._of_order("approve_age", number, merchant)

    def settle(self, number: str, merchant: str | None = None) -> Record:
        """Accept an order that is pending, whatever was wrong with it."""
        return self._of_order("settle", number, merchant)

    def move_clock(self, seconds: float = 0, now: str | None = None) -> Record:
        """Move the present by which orders are taken, for all merchants."""
        body = {"seconds": seconds, "now": now}
        found: Record = self.call("POST", "clock", body, merchant=self.first_merchant)
        return found

    def products(self, merchant: str | None = None) -> list[Record]:
        """Return the products: {id, sku, name, price, approved, inventory}."""
        return self.all("products", merchant)

    def add_product(self, sku: str, merchant: str | None = None, **fields: Any) -> Record:
        """Add a product."""
        return self.add("products", {"sku": sku, **fields}, merchant)

    def patch_product(self, sku: str, merchant: str | None = None, **fields: Any) -> Record:
        """Change a product."""
        return self.patch("products", sku, fields, merchant)

    def delete_product(self, sku: str, merchant: str | None = None) -> None:
        """Delete a product."""
        self.delete("products", sku, merchant)

    def books(self, merchant: str | None = None) -> list[Record]:
        """Return what was done, oldest first: {merchant, what, seq, at, number, c7_order_id, ...}.

        `what` is created, updated, refused, accepted or cancelled.
        """
        found: list[Record] = self.call("GET", "books", merchant=merchant)
        return found

    def cancellations(self, merchant: str | None = None) -> list[Record]:
        """Return who cancelled what: {number, c7_order_id, by (api or shop), negative, restored, reason, ...}."""
        return [entry for entry in self.books(merchant) if entry["what"] == "cancelled"]

    def accepted(self, merchant: str | None = None) -> dict[str, list[str]]:
        """Return the numbers of orders that were ever accepted, by their ids at Commerce7, else by number."""
        name = merchant or self.first_merchant
        found: dict[str, dict[str, list[str]]] = self.call("GET", "accepted", merchant=name)
        return found[name]

    def mails(self, merchant: str | None = None) -> list[Record]:
        """Return what the shop mailed to buyers: {merchant, number, c7_order_id, about, to, at}."""
        found: list[Record] = self.call("GET", "mails", merchant=merchant)
        return found

    def stock(self, merchant: str | None = None) -> dict[str, int]:
        """Return how many bottles are left, by SKU."""
        name = merchant or self.first_merchant
        found: dict[str, dict[str, int]] = self.call("GET", "stock", merchant=name)
        return found[name]

    def findings(self, merchant: str | None = None) -> list[Record]:
        """Return what no client may do: {merchant, what, seq, number, ...}.

        written_without_reading, created_though_known, updated_though_accepted, cancelled_though_over, accepted_twice,
        other_merchants_record.
        """
        found: list[Record] = self.call("GET", "findings", merchant=merchant)
        return found


class SimpleTextingControl(Control):
    """Control of the texting service's stand-in; contacts are named by id or by phone."""

    def contacts(self, merchant: str | None = None) -> list[Record]:
        """Return all contacts, custom fields by merge tag."""
        return self.all("contacts", merchant)

    def contact(self, id_or_phone: str, merchant: str | None = None) -> Record:
        """Return one contact."""
        return self.one("contacts", id_or_phone, merchant)

    def add_contact(self, phone: str, merchant: str | None = None, **fields: Any) -> Record:
        """Sign a contact up: OPT_IN unless `subscriptionStatus` says otherwise."""
        return self.add("contacts", {"contactPhone": phone, **fields}, merchant)

    def patch_contact(self, id_or_phone: str, merchant: str | None = None, touch: bool = True, **fields: Any) -> Record:
        """Edit a contact as in the web app; without `touch` its `updated` stays."""
        return self.patch("contacts", id_or_phone, fields, merchant, touch)

    def opt_out(self, id_or_phone: str, merchant: str | None = None) -> Record:
        """Opt a contact out, as by texting STOP."""
        return self.patch_contact(id_or_phone, merchant, subscriptionStatus="OPT_OUT")

    def text_in(self, phone: str, text: str, merchant: str | None = None) -> Record:
        """Let somebody send a text: STOP opts out, START in, and whoever is new signs up by it."""
        body = {"contactPhone": phone, "text": text}
        found: Record = self.call("POST", "texts", body, merchant=merchant or self.first_merchant)
        return found

    def delete_contact(self, id_or_phone: str, merchant: str | None = None) -> None:
        """Delete a contact as in the web app."""
        self.delete("contacts", id_or_phone, merchant)

    def custom_fields(self, merchant: str | None = None) -> list[Record]:
        """Return the account's custom fields."""
        return self.all("custom_fields", merchant)

    def add_custom_field(self, label: str, merge_tag: str, merchant: str | None = None) -> Record:
        """Add a custom field."""
        return self.add("custom_fields", {"label": label, "mergeTag": merge_tag}, merchant)

    def delete_custom_field(self, label_or_tag: str, merchant: str | None = None) -> None:
        """Delete a custom field."""
        self.delete("custom_fields", label_or_tag, merchant)

    def violations(self, merchant: str | None = None) -> list[Record]:
        """Return what no client may do: {what, contact_id, status, told, via, seq, time, merchant}."""
        found: list[Record] = self.call("GET", "violations", merchant=merchant)
        return found

    def created(self, merchant: str | None = None) -> list[Record]:
        """Return contacts that the API created: {contact_id, phone, via, seq, at, merchant}."""
        found: list[Record] = self.call("GET", "created", merchant=merchant)
        return found

    def baseline(self, merchant: str | None = None) -> dict[str, list[Record]]:
        """Return the contacts of each merchant as they were at the start."""
        found: dict[str, list[Record]] = self.call("GET", "baseline", merchant=merchant)
        return found

    def lost(self, merchant: str | None = None) -> list[str]:
        """Return what contacts had at the start in fields that are not the pipeline's, and have no more."""
        losses = []
        for id, before in self.baseline(merchant).items():
            now = {contact["contactId"]: contact for contact in self.contacts(id)}
            for old in before:
                new = now.get(old["contactId"])
                if new is None:
                    losses.append(f"{id} {old['contactId']}: contact")
                    continue
                foreign = {k: v for k, v in old["customFields"].items() if k not in OURS}
                losses += [f"{id} {old['contactId']}: {k}" for k in foreign if new["customFields"].get(k) != foreign[k]]
                kept = ("comment", "lists", "contactPhone", "created")
                losses += [f"{id} {old['contactId']}: {k}" for k in kept if new[k] != old[k]]
        return losses
