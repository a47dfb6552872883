"""Answers as SimpleTexting does: run as `python -m vs_st_pipeline.sandbox.simpletexting`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer, merged
from vs_st_pipeline.sandbox.core.faults import cloudflare_block
from vs_st_pipeline.sandbox.core.lies import Kind, texting_kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord, StandIn
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant, instant_text
from vs_st_pipeline.sandbox.simpletexting.account import BUILTIN, Account, digits_of, now_text
from vs_st_pipeline.sandbox.simpletexting.batch import MOST, Task
from vs_st_pipeline.sandbox.simpletexting.errors import (
    ItemFailed,
    Refused,
    bad_body,
    envelope_a,
    envelope_b,
    invalid,
    missing,
)
from vs_st_pipeline.sandbox.simpletexting.lists import answer_lists
from vs_st_pipeline.sandbox.simpletexting.webhooks import StHooks

RATE_LIMITED_EVERY = 7


class SimpleTexting(StandIn):
    """Answers /v2/api/... for several accounts, each under its own token."""

    system = "simpletexting"
    kinds = ("contacts", "custom_fields")
    acts = ("texts",)
    not_mine = ("customers", "orders", "memberships")

    def opened(self) -> None:
        self.accounts = {merchant.id: Account(merchant) for merchant in self.merchants.values()}
        self.callers = {f"Bearer {merchant.st_token}".encode(): merchant for merchant in self.merchants.values()}
        self.tasks: dict[tuple[str, str], Task] = {}
        self.webhooks = {
            merchant.id: StHooks(merchant.id, self.sender, _number(merchant)) for merchant in self.merchants.values()
        }
        self.raced: set[tuple[str, str]] = set()
        self.calls: dict[str, int] = {}

    def switched(self, values: Record, merchant: str | None) -> None:
        for account in self.accounts.values():
            account.changed()
            account.moved = account.moved and "contacts_change_while_paged" not in values

    def caller(self, request: Request) -> Merchant | None:
        return self.callers.get(request.authorization or b"")

    def refuse(self, request: Request, switches: Record) -> Answer:
        if request.authorization is None:
            return envelope_a(401, "ERR_AUTH_TOKEN_MISSING", "Auth token is missing", request.path)
        return self.denied(request, 401)

    def denied(self, request: Request, status: int) -> Answer:
        if status == 404:
            return missing("not found", request.path)
        if status == 402:
            return envelope_a(status, "BLOCKED_BY_PAYMENT", "Account is blocked by payment", request.path)
        if status in (400, 410, 422):
            return envelope_b(status, "INTERNAL_ERROR", "Illegal argument", "the record cannot be given")
        if status == 500:
            return envelope_a(status, "INTERNAL_ERROR", "Internal error", request.path)
        return envelope_a(status, "ERR_AUTH_TOKEN_INVALID", "Tenant not found for provided token", request.path)

    def kind_of(self, request: Request) -> Kind | None:
        return texting_kind(request.method, request.parts[2:])

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        *before, key = request.parts
        contact = self.accounts[merchant.id].find(key)
        ids = list(merchant.contacts)
        if contact is None or len(ids) < 2:
            return None
        return "/" + "/".join((*before, ids[ids.index(contact["contactId"]) - 1]))

    def bad_json(self, request: Request) -> Answer:
        return bad_body("Required request body is missing" if not request.body else "not readable")

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        if switches["rate_limit"] != "off":
            self.calls[merchant.id] = self.calls.get(merchant.id, 0) + 1
            if self.calls[merchant.id] % RATE_LIMITED_EVERY == 0:
                answer = envelope_a(429, "TOO_MANY_REQUESTS", "Too many requests", request.path)
                if switches["rate_limit"] == "429_retry_after":
                    answer.headers.append((b"retry-after", b"1"))
                return answer
        account = self.accounts[merchant.id]
        if switches["firewall"] and (stopped := self._stopped(request, switches["firewall"])):
            return stopped
        try:
            if request.parts[:2] == ["v2", "api"]:
                answered = self._routed(request, request.parts[2:], merchant, account, switches)
                if answered is not None:
                    return answered
        except Refused as refused:
            return refused.answer
        return envelope_b(400, "INTERNAL_ERROR", "Illegal argument", f"No endpoint {request.method} {request.path}")

    def _stopped(self, request: Request, texts: Record) -> Answer | None:
        """Answer in the place of a layer before the service that took a write for an attack."""
        said = request.body.decode("utf-8", "replace")
        how = next((how for text, how in texts.items() if text in said), None)
        if how is None or request.method not in ("POST", "PUT"):
            return None
        how = str(how)
        return cloudflare_block(int(how[-3:])) if how.startswith("cloudflare_") else self.denied(request, int(how))

    def _routed(
        self, request: Request, rest: list[str], merchant: Merchant, account: Account, switches: Record
    ) -> Answer | None:
        match request.method, rest:
            case "GET", ["tenant"]:
                return json_answer({"email": f"owner@{merchant.id}.example.com"})
            case "GET", ["phones"]:
                phones = [{"number": _number(merchant), "name": merchant.name}]
                return self._page(request, phones if switches["phones"] == "one" else [], switches)
            case "GET", ["custom-fields"]:
                return self._page(request, list(merchant.custom_fields), switches)
            case "GET", ["contacts"]:
                return self._contacts(request, account, switches)
            case "POST", ["contacts"]:
                return self._post(request, merchant, account, switches)
            case _, ["contacts", key]:
                return self._contact(request, key, merchant, account, switches)
            case "POST", ["contacts-batch", "batch-update"]:
                return self._batch(request, merchant, account, switches)
            case "GET", ["contacts-batch", "batch-update", id]:
                return self._poll(request, id, merchant, switches)
            case "POST", ["contacts-batch", "batch-delete"]:
                return self._batch_delete(request, account)
            case _, ["webhooks", *more]:
                hooks = self.webhooks[merchant.id]
                return hooks.answer(request, more, switches, lambda rows: self._page(request, rows, switches))
            case "POST", ["messages" | "campaigns"]:
                # Nothing that syncs data has a reason to send anybody a text.
                nobody = {"contactId": None, "subscriptionStatus": None}
                account.violate("sent_message", nobody, rest[0], request.seq)
                return json_answer({"id": "6188bb0000000000000000aa", "credits": 1}, 201)
            case "GET", ["messages" | "contact-segments" | "campaigns"]:
                return self._page(request, [], switches)
            case _, ["contact-lists", *more]:
                return answer_lists(request, more, account, lambda rows: self._page(request, rows, switches))
        return None

    def _window(self, request: Request, switches: Record) -> tuple[int, int]:
        try:
            page, size = int(request.query.get("page") or 0), int(request.query.get("size") or 50)
        except ValueError:
            raise Refused(invalid("page: failed to convert value to required type")) from None
        if page < 0 or size < 1:
            raise Refused(invalid("page: must be greater than or equal to 0"))
        if size > 500 and switches["oversize_page"] == 409:
            raise Refused(invalid("size: must be less than or equal to 500"))
        return page, min(size, 500, int(switches["page_cap"]))

    def _page(self, request: Request, rows: list[Any], switches: Record) -> Answer:
        page, size = self._window(request, switches)
        return self._paged(rows[page * size : (page + 1) * size], len(rows), size)

    def _paged(self, content: list[Any], total: int, size: int) -> Answer:
        return json_answer({"content": content, "totalPages": -(-total // size), "totalElements": total})

    # Contacts.

    def _contacts(self, request: Request, account: Account, switches: Record) -> Answer:
        page, size = self._window(request, switches)
        if page > 0 and switches["contacts_change_while_paged"] is not False and not account.moved:
            account.moved = True
            self._move_while_paged(account, switches)
        rows = account.by_updated()
        since = request.query.get("since")
        if since:
            bound = _since(since)
            inclusive = switches["since_inclusive"]
            rows = [row for row in rows if row[0] > bound or (inclusive and row[0] == bound)]
        if request.query.get("direction", "desc").upper() != "ASC":
            rows = rows[::-1]
        total = len(rows)
        if switches["short_list"]:
            rows = rows[: total - max(1, total * 3 // 10)]
        contacts = account.merchant.contacts
        content = [account.shown(contacts[id], switches) for _, id in rows[page * size : (page + 1) * size]]
        return self._paged(content, total, size)

    def _move_while_paged(self, account: Account, switches: Record) -> None:
        """Move a row to the other end (the total stays), and unless only that is asked for, add a new contact."""
        rows = account.by_updated()
        if rows:
            contact = account.merchant.contacts[rows[0][1]]
            contact["updated"] = now_text()
            account.touched(contact)
        if switches["contacts_change_while_paged"] is True:
            number = next(n for n in range(9000, 10000) if account.find(f"707555{n}") is None)
            account.new_contact(f"707555{number}", now_text())["updateSource"] = "KEYWORD"

    def _post(self, request: Request, merchant: Merchant, account: Account, switches: Record) -> Answer:
        update = request.json_object()
        self.fire("write", merchant, request)
        phone = digits_of(update.get("contactPhone") or "")
        if not phone:
            raise Refused(invalid("contactPhone: must not be blank"))
        contact = account.find(phone)
        race = switches["double_post_race"] and (merchant.id, phone) not in self.raced
        if contact is not None and (request.query.get("upsert", "true").lower() == "false" or race):
            if race:
                self.raced.add((merchant.id, phone))
            text = f"contactPhone={phone}, errorMessage=Contact with contact phone {phone} already exists"
            return envelope_a(409, "CONTACT_CREATE_FAILED", text, "/v2")
        return self._written(request, contact, update, account, switches, 201)

    def _contact(
        self, request: Request, key: str, merchant: Merchant, account: Account, switches: Record
    ) -> Answer | None:
        if request.method not in ("GET", "PUT", "DELETE"):
            return None
        update = request.json_object() if request.method == "PUT" else {}
        if request.method != "GET":
            self.fire("write", merchant, request)
        contact = account.find(key)
        if contact is None:
            may_create = request.method == "PUT" and switches["put_missing_contact"] == "create"
            is_id = re.fullmatch(r"[0-9a-f]{24}", key) is not None
            if not may_create or is_id or request.query.get("upsert", "true").lower() == "false":
                return missing("Contact is not found", request.path)
            update.setdefault("contactPhone", digits_of(key))
        if request.method == "GET" and contact is not None:
            return json_answer(account.shown(contact, switches))
        if request.method == "DELETE" and contact is not None:
            return self._delete(request, contact, account)
        return self._put(request, contact, update, account, switches)

    def _put(
        self, request: Request, contact: Record | None, update: Record, account: Account, switches: Record
    ) -> Answer:
        phone = digits_of(update.get("contactPhone") or "")
        if switches["put_requires_phone"] and not phone:
            text = "contactPhone=null, errorMessage=contactPhone must not be blank"
            return envelope_a(409, "CONTACT_UPDATE_FAILED", text, "/v2")
        other = account.find(phone) if phone else None
        if other is not None and other is not contact:
            if request.query.get("upsert", "true").lower() == "false":
                text = f"contactPhone={phone}, errorMessage=Contact with contact phone {phone} already exists"
                return envelope_a(409, "CONTACT_UPDATE_FAILED", text, "/v2")
            contact = other
        return self._written(request, contact, update, account, switches, 200)

    def _written(
        self,
        request: Request,
        contact: Record | None,
        update: Record,
        account: Account,
        switches: Record,
        status: int,
    ) -> Answer:
        problem = account.problem_of(update, switches)
        if switches["unknown_custom_field"] == "fail_request" and account.unknown_fields(update):
            problem = "customFields: unknown custom field"
        phone = digits_of(update.get("contactPhone") or (contact or {}).get("contactPhone", ""))
        if switches["reject"].get(phone) == "INVALID_INPUT_VALUE":
            problem = "customFields: value is not valid"
        if problem:
            return invalid(problem)
        replace = request.query.get("listsReplacement", "true").lower() != "false"
        before = dict(contact) if contact else None
        try:
            written = account.write(contact, update, replace, switches, request.method.lower(), request.seq)
        except ItemFailed as error:
            text = f"contactPhone={phone}, errorMessage={error.text}"
            return envelope_a(409, error.code, text, "/v2")
        self.happened(account.merchant, self.webhooks[account.merchant.id].change(before, written))
        return json_answer({"id": written["contactId"]}, status)

    def _delete(self, request: Request, contact: Record, account: Account) -> Answer:
        if contact["subscriptionStatus"] == "OPT_OUT":
            return envelope_a(409, "CONTACT_DELETE_FAILED", "Contact is unsubscribed", request.path)
        made_by_api = {entry["contact_id"] for entry in account.created}
        if contact["contactId"] not in made_by_api:
            account.violate("deleted_foreign_contact", contact, "delete", request.seq)
        del account.merchant.contacts[contact["contactId"]]
        account.changed()
        return Answer(204)

    # Batches.

    def _batch(self, request: Request, merchant: Merchant, account: Account, switches: Record) -> Answer:
        form = request.json_object()
        self.fire("write", merchant, request)
        task = Task(account, form, switches, request.seq)
        self.tasks[merchant.id, task.id] = task
        if task.polls_left <= 0:
            task.apply(len(task.updates), switches, lambda: self.fire("batch_apply", merchant, request))
        return json_answer({"id": task.id}, 201)

    def _poll(self, request: Request, id: str, merchant: Merchant, switches: Record) -> Answer:
        task = self.tasks.get((merchant.id, id))
        if task is None:
            if switches["unknown_task"] == 404:
                return missing("Task is not found", request.path)
            return invalid("taskId: unknown task", int(switches["unknown_task"]))
        answer = task.poll(switches, lambda: self.fire("batch_apply", merchant, request))
        return json_answer(answer, int(switches["poll_status_code"]))

    def _batch_delete(self, request: Request, account: Account) -> Answer:
        phones = request.json_object().get("contactPhones") or []
        if len(phones) > MOST:
            return invalid(f"contactPhones: size must be between 0 and {MOST}")
        results = []
        for phone in map(digits_of, phones):
            contact = account.find(phone)
            result: Record = {"contactPhone": phone, "done": False}
            if contact is None:
                result |= {"errorCode": "UNKNOWN_CONTACT_PHONE", "errorMessage": "unknown"}
            else:
                result |= {"contactId": contact["contactId"]}
                if self._delete(request, contact, account).status == 204:
                    result["done"] = True
                else:
                    result |= {"errorCode": "CONTACT_DELETE_INTERNAL_ERROR", "errorMessage": "unsubscribed"}
            results.append(result)
        return json_answer({"results": results}, 201)

    # Webhooks.

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        return self.webhooks[merchant.id].send(events, self.switches.of(merchant.id))

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return webhook in self.webhooks[merchant].registered

    def most_per_second(self, merchant: str, webhook: str) -> float | None:
        return self.webhooks[merchant].most_per_second(webhook)

    def unregister(self, merchant: str, webhook: str) -> None:
        self.webhooks[merchant].registered.pop(webhook, None)

    def act(self, merchant: Merchant, name: str, body: Record) -> Record:
        """Take a text that somebody sent: STOP opts out, START in, and whoever is new signs up by it."""
        phone, text = str(body["contactPhone"]), str(body.get("text") or "")
        contact = self.accounts[merchant.id].find(phone)
        word, hooks = text.strip().upper(), self.webhooks[merchant.id]
        if contact is None:
            return self.add_record(merchant, "contacts", {"contactPhone": phone})
        if word in ("STOP", "START", "UNSTOP"):
            status = "OPT_OUT" if word == "STOP" else "OPT_IN"
            fields = {"subscriptionStatus": status}
            self.change_record(merchant, "contacts", contact["contactId"], fields, False, True)
        if word != "STOP":  # of which the service tells by the report alone
            self.happened(merchant, [hooks.message(contact["contactPhone"], text)])
        return contact

    # Control.

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return list(merchant.contacts.values()) if kind == "contacts" else merchant.custom_fields

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        if kind == "contacts":
            found = self.accounts[merchant.id].find(id)
        else:
            found = next((f for f in merchant.custom_fields if id in (f["label"], f["mergeTag"])), None)
        if found is None:
            raise NoSuchRecord(f"{kind} {id}")
        return found

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        if kind == "custom_fields":
            merchant.custom_fields.append({"type": "text", "defaultMaxLength": 30, **fields})
            self.accounts[merchant.id].fields_changed()
            return merchant.custom_fields[-1]
        account = self.accounts[merchant.id]
        phone = str(fields["contactPhone"])
        if account.find(phone) is not None:
            raise ValueError("there is a contact with this phone")
        contact = account.new_contact(phone, now_text())
        contact["updateSource"] = "KEYWORD"
        return self._changed(merchant, contact, fields, None)

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        record = self.record(merchant, kind, id)
        if kind == "custom_fields":
            record.update(fields)
            self.accounts[merchant.id].fields_changed()
            return record
        told_before = dict(record)
        if replace:
            record.update({**dict.fromkeys(BUILTIN), "lists": [], "customFields": {}})
        before = told_before["subscriptionStatus"]
        quiet = not self.switches.of(merchant.id)["opt_out_touches_updated"]
        opts_out = fields.get("subscriptionStatus") == "OPT_OUT" and before != "OPT_OUT"
        if touch and not (opts_out and quiet):
            record.update(updated=now_text(), updateSource="INCOMING_MESSAGE" if opts_out else "MANUAL")
        return self._changed(merchant, record, fields, told_before)

    def _changed(self, merchant: Merchant, contact: Record, fields: Record, before: Record | None) -> Record:
        for key, value in merged(contact, fields).items():
            contact[key] = value
        tags = {field["label"]: field["mergeTag"] for field in merchant.custom_fields}
        values = contact["customFields"].items()
        contact["customFields"] = {tags.get(key, key): value for key, value in values if value is not None}
        self.accounts[merchant.id].changed()
        self.happened(merchant, self.webhooks[merchant.id].change(before, contact))
        return contact

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        record = self.record(merchant, kind, id)
        if kind == "contacts":
            del merchant.contacts[record["contactId"]]
            self.accounts[merchant.id].changed()
        else:
            merchant.custom_fields.remove(record)
            self.accounts[merchant.id].fields_changed()

    def report(self, name: str, merchant: str | None) -> Any:
        chosen = self.accounts if merchant is None else {merchant: self.accounts[merchant]}
        if name == "baseline":
            return {m.id: list(m.contacts.values()) for m in self.pristine() if m.id in chosen}
        if name in ("created", "violations"):
            return [
                {"merchant": id, **entry}
                for id, account in chosen.items()
                for entry in (account.created if name == "created" else account.violations)
            ]
        raise NoSuchRecord(name)


def _number(merchant: Merchant) -> str:
    return f"800555{merchant.account:04d}"


def _since(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(invalid("since: failed to convert value to required type")) from None
    return instant_text(at if at.tzinfo else at.replace(tzinfo=UTC))
