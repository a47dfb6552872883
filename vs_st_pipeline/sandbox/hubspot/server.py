"""Answers as HubSpot does: run as `python -m vs_st_pipeline.sandbox.hubspot`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn, ItemFailed, Refused, iso, text_of
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.hubspot.portal import Portal, column
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

VERSIONS = ("2026-03", "2026-09")
WRITES = ("create", "update", "upsert")
CONTACTS = Kind("contacts", "id", "properties", "results", ("properties", "updatedAt"))
CONTACT = Kind("contact", "id", "properties", None)
STATUSES = Kind("statuses", "subscriberIdString", "statuses", "results", ("statuses",))
PROPERTIES = Kind("properties", "name", "type", "results")
STATUS_OF = {"CONFLICT": 409, "OBJECT_NOT_FOUND": 404}


def problem(status: int, category: str, text: str, **more: Any) -> Answer:
    """Return an error body."""
    body = {"status": "error", "message": text, "correlationId": "5d0c1f6e-0000-4000-8000-000000000000"}
    return json_answer({**body, "category": category, **more}, status)


class HubSpot(AccountStandIn):
    """Answers the date-based paths for several portals, each under its own token."""

    system = "hubspot"
    kinds = ("contacts", "subscriptions", "lists", "properties", "definitions")
    acts = ("clock", "unsubscribe", "suppress", "delete", "gdpr_delete", "merge", "edit", "confirm", "subscribe")
    paths = (
        *(
            (rf"/crm/objects/[^/]+/contacts/batch/{what}", f"/crm/objects/{{v}}/contacts/batch/{what}")
            for what in WRITES
        ),
        (r"/crm/objects/[^/]+/contacts/batch/read", "/crm/objects/{v}/contacts/batch/read"),
        (r"/crm/objects/[^/]+/contacts/[^/]+", "/crm/objects/{v}/contacts/{id}"),
        (r"/crm/lists/[^/]+/[^/]+", "/crm/lists/{v}/{list}"),
        (r"/crm/lists/[^/]+/[^/]+/memberships", "/crm/lists/{v}/{list}/memberships"),
        (r"/crm/lists/[^/]+/[^/]+/memberships/add", "/crm/lists/{v}/{list}/memberships/add"),
        (r"/crm/lists/[^/]+/[^/]+/memberships/remove", "/crm/lists/{v}/{list}/memberships/remove"),
        (r"/crm/lists/[^/]+/records/[^/]+/[^/]+/memberships", "/crm/lists/{v}/records/{id}/memberships"),
        (r"/communication-preferences/[^/]+/statuses/batch/read", "/communication-preferences/{v}/statuses/batch/read"),
        (
            r"/communication-preferences/[^/]+/statuses/batch/write",
            "/communication-preferences/{v}/statuses/batch/write",
        ),
    )

    def accounts_opened(self) -> None:
        self.portals = {m.id: Portal(m, self.part(m), self.clock) for m in self.merchants.values()}
        self.callers = {f"Bearer {self.keys_of(m)['token']}".encode(): m for m in self.merchants.values()}
        self.list_polls: dict[str, int] = {}

    def keys_of(self, merchant: Merchant) -> Record:
        return {"token": f"hubspot-token-of-{merchant.id}", "portal": self.portals[merchant.id].number}

    def items_of(self, body: Any) -> int:
        if isinstance(body, list):
            return len(body)
        return len(body["inputs"]) if isinstance(body, dict) and isinstance(body.get("inputs"), list) else 0

    def caller(self, request: Request) -> Merchant | None:
        return self.callers.get(request.authorization or b"")

    def refuse(self, request: Request, switches: Record) -> Answer:
        return self.denied(request, int(switches["expired_token"]))

    def denied(self, request: Request, status: int) -> Answer:
        words = {
            401: ("INVALID_AUTHENTICATION", "Authentication credentials not found or expired"),
            403: ("MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call"),
            404: ("OBJECT_NOT_FOUND", "resource not found"),
            429: ("RATE_LIMITS", "You have reached your secondly limit."),
            500: ("INTERNAL_ERROR", "internal error"),
        }
        return problem(status, *words.get(status, ("VALIDATION_ERROR", "Invalid input")))

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        if answer.status == 429 and b"RATE_LIMITS" in answer.body and b"policyName" not in answer.body:
            policy = "DAILY" if switches["rate_429"] == "daily" else "TEN_SECONDLY_ROLLING"
            answer = problem(429, "RATE_LIMITS", "You have reached your limit.", policyName=policy)
            answer.headers += [(b"retry-after", b"1")] if switches["rate_429"] == "retry_after" else []
        answer.headers += [
            (b"x-hubspot-ratelimit-max", b"190"),
            (b"x-hubspot-ratelimit-interval-milliseconds", b"10000"),
        ]
        return answer

    def bad_json(self, request: Request) -> Answer:
        return problem(400, "VALIDATION_ERROR", "Invalid input JSON")

    def kind_of(self, request: Request) -> Kind | None:
        match request.method, request.parts:
            case "POST", ["crm", "objects", _, "contacts", "batch", _]:
                return CONTACTS
            case "GET", ["crm", "objects", _, "contacts", _]:
                return CONTACT
            case "POST", ["communication-preferences", _, "statuses", "batch", *_]:
                return STATUSES
            case "GET", ["crm", "properties", _, "contacts"]:
                return PROPERTIES
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        *before, id = request.parts
        ids = list(self.portals[merchant.id].contacts)
        return "/" + "/".join((*before, ids[ids.index(id) - 1])) if id in ids and len(ids) > 1 else None

    def row_of_another(self, request: Request, merchant: Merchant, row: Record, switches: Record) -> Record | None:
        if "subscriberIdString" in row:
            return {**row, "subscriberIdString": "somebody.else@example.com"}
        others = (one for id, one in self.portals[merchant.id].contacts.items() if id != row.get("id"))
        other = next(others, None)
        return _shown(other, list(row["properties"])) if other and "properties" in row else None

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        if self.limited(merchant, switches["rate_limit_every"]):
            return self.denied(request, 429)
        portal = self.portals[merchant.id]
        try:
            answered = self._routed(request, merchant, portal, switches)
        except Refused as refused:
            return refused.answer
        except ItemFailed as failed:
            return _whole(failed)
        return answered or self.denied(request, 404)

    def _routed(self, request: Request, merchant: Merchant, portal: Portal, switches: Record) -> Answer | None:
        parts = request.parts
        at = {"crm": 2, "communication-preferences": 1, "account-info": 1}.get(parts[0], 0)
        if len(parts) <= at or parts[at] not in VERSIONS:
            return None
        if parts[at] == "2026-09":
            switches = {**switches, "version": "2026-09"}
        match request.method, parts[:at] + parts[at + 1 :]:
            case "GET", ["account-info", "details"]:
                if switches["account_info"] == 403:
                    return self.denied(request, 403)
                return json_answer({"portalId": portal.number, "accountType": "STANDARD", "timeZone": "Europe/London"})
            case "GET", ["crm", "properties", "contacts"]:
                shown = [{k: v for k, v in p.items() if k != "_required"} for p in portal.properties.values()]
                return json_answer({"results": shown})
            case "POST", ["crm", "objects", "contacts", "batch", what]:
                return self._batch(request, what, merchant, portal, switches)
            case "GET", ["crm", "objects", "contacts", id]:
                return self._one(request, id, merchant, portal)
            case "GET", ["communication-preferences", "definitions"]:
                return json_answer({"status": "COMPLETE", "results": list(portal.definitions.values())})
            case "POST", ["communication-preferences", "statuses", "batch", *what]:
                return self._statuses(request, what, merchant, portal, switches)
            case _, ["crm", "lists", *rest]:
                return self._lists(request, rest, merchant, portal, switches)
        return None

    def _inputs(self, request: Request, most: int, of: type = dict) -> list[Any]:
        inputs = request.json_object().get("inputs")
        if not isinstance(inputs, list) or not inputs or not all(isinstance(one, of) for one in inputs):
            raise Refused(problem(400, "VALIDATION_ERROR", "Invalid input JSON: inputs"))
        if len(inputs) > most:
            text = (
                f"The maximum number of inputs supported in a batch request is {most}. Requested {len(inputs)} inputs."
            )
            raise Refused(problem(400, "VALIDATION_ERROR", text))
        return inputs

    # Contacts.

    def _one(self, request: Request, id: str, merchant: Merchant, portal: Portal) -> Answer:
        portal.lag.polled()
        by_email = request.query.get("idProperty") == "email"
        found = portal.by_email(id) if by_email else portal.by_id(id)
        found = portal.lag.seen(found["id"], found) if found else None
        if found is None:
            self._foreign(request, merchant, [] if by_email else [id])
            return self.denied(request, 404)
        return json_answer(_shown(found, request.query.get("properties", "").split(",")))

    def _foreign(self, request: Request, merchant: Merchant, ids: list[str]) -> None:
        """Note ids that belong to another portal."""
        for id, other in self.portals.items():
            tables = (other.contacts, other.lists, other.definitions)
            if id != merchant.id and any(one in table for one in ids for table in tables):
                self.find("other_merchants_record", merchant, request, owner=id)

    def _batch(
        self, request: Request, what: str, merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer | None:
        if what == "read":
            return self._read(request, merchant, portal, switches)
        if what not in WRITES:
            return None
        inputs = self._inputs(request, int(switches["batch_cap"]))
        self.fire("write", merchant, request)
        for item in inputs:
            if not isinstance(item.get("properties"), dict):
                raise Refused(problem(400, "VALIDATION_ERROR", "Invalid input JSON: properties"))
        self._refuse_doubles(inputs, what)
        unknown = [(i, n) for i, item in enumerate(inputs) for n in portal.unknown_properties(item["properties"])]
        if unknown and switches["missing_property"] == 400:
            raise _unknown_property(unknown[0][1])
        return self._written(request, what, inputs, merchant, portal, switches)

    def _refuse_doubles(self, inputs: list[Record], what: str) -> None:
        by_email = [item.get("idProperty") == "email" for item in inputs]
        if what == "update" and any(by_email):
            text = "Unable to perform update/upsert by non-unique property email"
            raise Refused(problem(400, "VALIDATION_ERROR", text))
        keys = [text_of(item["properties"].get("email") if what == "create" else item.get("id")) for item in inputs]
        twice = sorted({key for key in keys if key and keys.count(key) > 1})
        if twice:
            text = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
            raise Refused(problem(400, "VALIDATION_ERROR", text))

    def _written(
        self, request: Request, what: str, inputs: list[Record], merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer:
        write: dict[str, Callable[[Record], Record]] = {
            "create": lambda item: portal.create(item["properties"], switches, request.seq),
            "update": lambda item: portal.update(str(item.get("id")), item["properties"], switches, request.seq),
            "upsert": lambda item: self._upsert(item, portal, switches, request.seq),
        }
        traces = [item.get("objectWriteTraceId") for item in inputs]
        traced = None not in traces and len(set(traces)) == len(traces)
        whole = switches["create_multi_status"] == "whole_400" if what == "create" else (
            switches["update_multi_status"] == "whole_400"
        )  # fmt: skip
        if whole or (what == "create" and not traced):
            self._try_all(what, inputs, portal, switches)
        results, errors = [], []
        for item in inputs:
            try:
                for name in portal.unknown_properties(item["properties"]):
                    raise _unknown_property(name)
                written = write[what](item)
            except ItemFailed as failed:
                self._foreign(request, merchant, [str(failed.more.get("id"))])
                errors.append(_item_error(failed, item, str(switches["errors_mapped"])))
                continue
            result = _shown(written, list(item["properties"]))
            if item.get("objectWriteTraceId") is not None:
                result["objectWriteTraceId"] = item["objectWriteTraceId"]
            results.append(result)
        return self._many(results, errors, 201 if what == "create" else 200)

    def _try_all(self, what: str, inputs: list[Record], portal: Portal, switches: Record) -> None:
        """Refuse the whole request where one of its items would be refused."""
        for item in inputs:
            values, id = item["properties"], str(item.get("id"))
            for name in portal.unknown_properties(values):
                raise _unknown_property(name)
            if what == "update" and portal.by_id(id) is None:
                raise ItemFailed("OBJECT_NOT_FOUND", f"Could not get some CONTACT objects: {id}", id=id)
            if what == "create":
                portal.check_new(values, switches)
                continue
            portal.check(values, False, False)
            other = portal.by_email(values.get("email")) if values.get("email") and what == "update" else None
            if other is not None and other is not portal.by_id(id):
                raise ItemFailed("CONFLICT", f"Contact already exists. Existing ID: {other['id']}")

    def _upsert(self, item: Record, portal: Portal, switches: Record, seq: int) -> Record:
        by_email = item.get("idProperty") == "email"
        found = portal.by_email(item.get("id")) if by_email else portal.by_id(str(item.get("id")))
        if found is not None:
            return {**portal.update(found["id"], item["properties"], switches, seq), "new": False}
        if not by_email:
            raise ItemFailed("OBJECT_NOT_FOUND", f"Object not found: {item.get('id')}", id=str(item.get("id")))
        return {**portal.create({"email": item.get("id"), **item["properties"]}, switches, seq), "new": True}

    def _many(self, results: list[Record], errors: list[Record], good: int) -> Answer:
        now = iso(self.clock.now())
        body: Record = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return json_answer(body, 207 if errors else good)

    def _read(self, request: Request, merchant: Merchant, portal: Portal, switches: Record) -> Answer:
        inputs, form = self._inputs(request, int(switches["batch_cap"])), request.json_object()
        portal.lag.polled()
        keys = [text_of(item.get("id")) for item in inputs]
        self._refuse_doubles(inputs, "read")
        by_email = form.get("idProperty") == "email"
        secondary = switches["secondary_lookup"] == "resolves"
        found: dict[str, Record] = {}
        missing = []
        for key in keys:
            contact = portal.by_email(key, secondary) if by_email else portal.by_id(key)
            contact = portal.lag.seen(contact["id"], contact) if contact else None
            if contact is None:
                missing.append(key)
            else:
                found[contact["id"]] = contact
        if missing and not by_email:
            self._foreign(request, merchant, missing)
        # By id and not as asked, so that nobody can go by the place of an item.
        results = [_shown(found[id], form.get("properties") or []) for id in sorted(found, key=int)]
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some CONTACT objects"}
        return self._many(results, [{**error, "context": {"ids": missing}}] if missing else [], 200)

    # Subscriptions.

    def _statuses(
        self, request: Request, what: list[str], merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer | None:
        if what not in (["read"], ["write"], ["unsubscribe-all", "read"]):
            return None
        inputs = self._inputs(request, int(switches["status_batch_cap"]), dict if what == ["write"] else str)
        if what == ["write"]:
            self.fire("write", merchant, request)
            return self._write_statuses(request, inputs, merchant, portal, switches)
        if request.query.get("channel") != "EMAIL":
            raise Refused(problem(400, "VALIDATION_ERROR", "channel is required"))
        if what == ["read"]:
            unknown = switches["status_unknown_address"] == "missing"
            emails = [email for email in inputs if not (unknown and not portal.is_known(email))]
            rows = [{"subscriberIdString": email, "statuses": portal.status_rows(email)} for email in emails]
            for email in inputs:
                for row in portal.status_rows(email):
                    portal.tell(email, str(row["subscriptionId"]), row["status"] == "UNSUBSCRIBED")
        else:
            none = {"wideStatusType": "PORTAL_WIDE", "status": "NOT_SPECIFIED", "timestamp": None}
            blank = [] if switches["wide_opt_out"] == "empty_when_none" else [none]
            wide = {
                email: [portal.wide[text_of(email)]] if text_of(email) in portal.wide else blank for email in inputs
            }
            rows = [{"subscriberIdString": email, "wideStatuses": found} for email, found in wide.items()]
            for email in inputs:
                portal.tell(email, None, text_of(email) in portal.wide)
        return json_answer({"status": "COMPLETE", "results": rows})

    def _write_statuses(
        self, request: Request, inputs: list[Record], merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer:
        if switches["gdpr"] == "off_refused" and any(wish.get("legalBasis") is not None for wish in inputs):
            raise Refused(problem(400, "VALIDATION_ERROR", "legalBasis: data privacy is off in this portal"))
        results, errors = [], []
        for wish in inputs:
            try:
                results.append(portal.write_status(wish, switches, request.seq))
            except ItemFailed as failed:
                self._foreign(request, merchant, [str(wish.get("subscriptionId"))])
                context = {"subscriberIdString": [str(wish.get("subscriberIdString"))]}
                errors.append({"status": "error", "category": failed.code, "message": failed.text, "context": context})
        body = {"status": "COMPLETE", "results": results, "errors": errors, "numErrors": len(errors)}
        return json_answer(body)

    # Lists.

    def _lists(
        self, request: Request, rest: list[str], merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer | None:
        match request.method, rest:
            case "GET", ["records", _, id, "memberships"]:
                on = [list_id for list_id, listed in portal.members.items() if id in listed]
                rows = [{"listId": list_id, "isPublicList": False} for list_id in on]
                return json_answer({"results": rows, "total": len(rows)})
            case _, [list_id, *more]:
                found = portal.lists.get(list_id)
                if found is None:
                    self._foreign(request, merchant, [list_id])
                    return None
                return self._list(request, found, more, merchant, portal, switches)
        return None

    def _list(
        self, request: Request, found: Record, more: list[str], merchant: Merchant, portal: Portal, switches: Record
    ) -> Answer | None:
        kind = str(found.get("processingType") or switches["list_kind"])
        match request.method, more:
            case "GET", []:
                shown = {"objectTypeId": "0-1", "processingStatus": "COMPLETE", **found, "processingType": kind}
                return json_answer({"list": shown})
            case "GET", ["memberships"]:
                return self._members(request, found["listId"], portal, switches)
            case "PUT", ["memberships", ("add" | "remove") as what]:
                ids = request.json()
                if not isinstance(ids, list):
                    raise Refused(problem(400, "VALIDATION_ERROR", "Invalid input JSON: an array of record ids"))
                if kind == "DYNAMIC":
                    raise Refused(problem(400, "VALIDATION_ERROR", "Memberships of a DYNAMIC list cannot be changed"))
                self.fire("write", merchant, request)
                ids = [str(id) for id in ids]
                if what == "remove":
                    return json_answer(portal.remove_members(found["listId"], ids, request.seq))
                self.list_polls |= {f"{found['listId']} {id}": int(switches["list_lag_polls"]) for id in ids}
                return json_answer(portal.add_members(found["listId"], ids, request.seq))
        return None

    def _members(self, request: Request, list_id: str, portal: Portal, switches: Record) -> Answer:
        rows = []
        for id, row in sorted(portal.members.get(list_id, {}).items(), key=lambda pair: int(pair[0])):
            left = self.list_polls.get(f"{list_id} {id}", 0)
            if left > 0:
                self.list_polls[f"{list_id} {id}"] = left - 1
            else:
                rows.append(row)
        size, after = min(int(request.query.get("limit") or 100), 250), int(request.query.get("after") or 0)
        body: Record = {"results": rows[after : after + size], "total": len(rows)}
        if after + size < len(rows):
            body["paging"] = {"next": {"after": str(after + size)}}
        return json_answer(body)

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        portal = self.portals[merchant.id]
        if name in ("unsubscribe", "suppress"):
            subscription = body.get("subscription") if name == "unsubscribe" else None
            portal.opt_out(str(body["email"]), None if subscription is None else str(subscription))
            return {}
        if name in ("subscribe", "confirm"):
            source = {"source": "FORM"}
            return portal.set_status(str(body["email"]), str(body["subscription"]), "SUBSCRIBED", **source)
        id = self._id(portal, body)
        match name:
            case "delete" | "gdpr_delete":
                portal.delete(id, name == "gdpr_delete")
                return {}
            case "merge":
                loser = self._id(portal, {"id": body.get("loser"), "email": body.get("loser_email")})
                return portal.merge(id, loser, self.switches.of(merchant.id)["merge_id"] == "new")
            case "edit":
                return portal.edit(id, body["fields"], False)
        raise NoSuchRecord(name)

    def _id(self, portal: Portal, body: Record) -> str:
        found = portal.by_id(str(body["id"])) if body.get("id") else portal.by_email(body.get("email"))
        if found is None:
            raise NoSuchRecord(f"contacts {body.get('id') or body.get('email')}")
        return str(found["id"])

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        if name == "books":
            return [{"merchant": m.id, **entry} for m in merchants for entry in self.portals[m.id].books]
        if name == "members":
            return {m.id: {k: sorted(v) for k, v in self.portals[m.id].members.items()} for m in merchants}
        raise NoSuchRecord(name)

    def _table(self, portal: Portal, kind: str) -> dict[str, Any]:
        return {
            "contacts": portal.contacts,
            "subscriptions": portal.statuses,
            "lists": portal.lists,
            "properties": portal.properties,
            "definitions": portal.definitions,
        }[kind]

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        portal = self.portals[merchant.id]
        if kind == "subscriptions":
            return [self.record(merchant, kind, email) for email in {**portal.statuses, **portal.wide}]
        return list(self._table(portal, kind).values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        portal = self.portals[merchant.id]
        if kind == "subscriptions":
            own = portal.statuses.get(text_of(id), {})
            return {"email": text_of(id), "wide": portal.wide.get(text_of(id)), **own}
        if kind == "contacts":
            return portal.contacts[self._id(portal, {"email": id} if "@" in id else {"id": id})]
        if id not in self._table(portal, kind):
            raise NoSuchRecord(f"{kind} {id}")
        found: Record = self._table(portal, kind)[id]
        return found

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        portal = self.portals[merchant.id]
        match kind:
            case "contacts":
                switches = {**self.switches.of(merchant.id), "read_after_write_lag_polls": 0}
                return portal.create(fields, switches, 0)
            case "subscriptions":
                return self.change_record(merchant, kind, str(fields["email"]), fields, False, True)
            case "properties":
                made = column(str(fields["name"]), str(fields.get("label") or fields["name"]))
                portal.properties[made["name"]] = {**made, **fields}
                return portal.properties[made["name"]]
            case "lists":
                portal.lists[str(fields["listId"])] = dict(fields)
            case _:
                portal.definitions[str(fields["id"])] = {"isActive": True, "name": "Another", **fields}
        return dict(fields)

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        portal = self.portals[merchant.id]
        if kind == "contacts":
            found = self.record(merchant, kind, id)
            return portal.edit(found["id"], fields.get("properties", fields), replace)
        if kind == "subscriptions":
            for key, value in fields.items():
                if key == "wide":
                    portal.opt_out(id, None)
                elif key != "email":
                    portal.set_status(id, key, str(value), source="PUBLIC_STATUS_PAGE")
            return self.record(merchant, kind, id)
        found = self.record(merchant, kind, id)
        found.update(fields)
        return found

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        portal = self.portals[merchant.id]
        if kind == "contacts":
            portal.delete(self.record(merchant, kind, id)["id"], False)
        elif self._table(portal, kind).pop(text_of(id) if kind == "subscriptions" else id, None) is None:
            raise NoSuchRecord(f"{kind} {id}")


def _shown(contact: Record, names: list[str]) -> Record:
    values = contact["properties"]
    names = ["createdate", "hs_object_id", "lastmodifieddate", *filter(None, names)]
    return {**contact, "properties": {name: values.get(name) for name in names}}


def _unknown_property(name: str) -> ItemFailed:
    return ItemFailed("VALIDATION_ERROR", f'Property "{name}" does not exist', name=name, error="PROPERTY_DOESNT_EXIST")


def _whole(failed: ItemFailed) -> Answer:
    text = failed.text
    if failed.code == "VALIDATION_ERROR":
        wrong = [
            {
                "isValid": False,
                "message": failed.text,
                "error": failed.more.get("error"),
                "name": failed.more.get("name"),
            }
        ]
        text = f"Property values were not valid: {json.dumps(wrong, separators=(',', ':'))}"
    return problem(STATUS_OF.get(failed.code, 400), failed.code, text)


def _item_error(failed: ItemFailed, item: Record, mapped: str) -> Record:
    context: Record = {}
    trace, id = item.get("objectWriteTraceId"), item.get("id") or item["properties"].get("email")
    if mapped == "trace_id" and trace is not None:
        context = {"objectWriteTraceId": [trace]}
    elif mapped != "none":
        context = {"ids": [id]}
    error = {"status": "error", "category": failed.code, "message": failed.text, "context": context}
    return {key: value for key, value in error.items() if value != {}}
