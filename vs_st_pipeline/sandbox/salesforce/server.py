"""Answers as Salesforce does: run as `python -m vs_st_pipeline.sandbox.salesforce`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn, ItemFailed, Refused, text_of
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.salesforce.org import Org, column, long_id
from vs_st_pipeline.sandbox.salesforce.soql import BadQuery, Query, read
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

TOKEN_PATH = "/services/oauth2/token"
ROWS_A_PAGE = 2000
MOST_RECORDS, MOST_SUBREQUESTS = 200, 25
QUERY = Kind("query", "Id", "attributes", "records", ("Id",))
RECORD = Kind("record", "Id", "attributes", None)
DESCRIBE = Kind("describe", "name", "type", "fields")


def problem(status: int, code: str, text: str, fields: list[str] | None = None) -> Answer:
    """Return an error body, which is an array."""
    error: Record = {"message": text, "errorCode": code}
    return json_answer([error if fields is None else {**error, "fields": fields}], status)


class Salesforce(AccountStandIn):
    """Answers /services/... for several orgs, each by its own client credentials."""

    system = "salesforce"
    kinds = ("contacts", "campaigns", "members", "fields")
    acts = ("clock", "unsubscribe", "suppress", "delete", "gdpr_delete", "merge", "edit", "confirm", "usage", "expire")
    paths = (
        (r"/services/data/[^/]+/query(All)?(/[^/]*)?", "/services/data/{v}/query"),
        (r"/services/data/[^/]+/composite", "/services/data/{v}/composite"),
        (r"/services/data/[^/]+/composite/sobjects", "/services/data/{v}/composite/sobjects"),
        (r"/services/data/[^/]+/composite/sobjects/[^/]+", "/services/data/{v}/composite/sobjects/{object}"),
        (
            r"/services/data/[^/]+/composite/sobjects/[^/]+/[^/]+",
            "/services/data/{v}/composite/sobjects/{object}/{key}",
        ),
        (r"/services/data/[^/]+/sobjects/[^/]+/describe", "/services/data/{v}/sobjects/{object}/describe"),
        (r"/services/data/[^/]+/sobjects/[^/]+/[^/]+", "/services/data/{v}/sobjects/{object}/{id}"),
    )

    def accounts_opened(self) -> None:
        self.orgs = {m.id: Org(m, self.part(m), self.clock) for m in self.merchants.values()}
        self.tokens: dict[str, list[Any]] = {}
        self.cursors: dict[str, tuple[str, list[Record]]] = {}

    def keys_of(self, merchant: Merchant) -> Record:
        id = merchant.id
        return {"client_id": f"sf-client-of-{id}", "client_secret": f"sf-secret-of-{id}", "org": self.orgs[id].id}

    def items_of(self, body: Any) -> int:
        if not isinstance(body, dict):
            return 0
        listed = body.get("records") or body.get("compositeRequest") or body.get("ids")
        return len(listed) if isinstance(listed, list) else int(bool(body))

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        if request.path == TOKEN_PATH:
            form = parse_qs(request.body.decode("utf-8", "replace"))
            asked = [form.get(name, [""])[0] for name in ("grant_type", "client_id", "client_secret")]
            for merchant in self.merchants.values():
                keys = self.keys_of(merchant)
                if asked == ["client_credentials", keys["client_id"], keys["client_secret"]]:
                    return merchant
            return None
        token = (request.authorization or b"").decode("latin-1").removeprefix("Bearer ")
        held = self.tokens.get(token)
        if held is None or held[1] == 0:
            return None
        held[1] = None if held[1] is None else held[1] - 1
        return self.merchants[held[0]]

    def refuse(self, request: Request, switches: Record) -> Answer:
        if request.path == TOKEN_PATH:
            error = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return json_answer(error, int(switches["token_error"]))
        return self.denied(request, 401)

    def denied(self, request: Request, status: int) -> Answer:
        words = {
            401: ("INVALID_SESSION_ID", "Session expired or invalid"),
            403: ("INSUFFICIENT_ACCESS", "insufficient access rights on object"),
            404: ("NOT_FOUND", "The requested resource does not exist"),
            429: ("TOO_MANY_REQUESTS", "Too many requests"),
            500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred"),
        }
        return problem(status, *words.get(status, ("BAD_REQUEST", "The request is not valid")))

    def bad_json(self, request: Request) -> Answer:
        return problem(400, "JSON_PARSER_ERROR", "Unexpected character in the body")

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        merchant = self._merchant_of(request)
        if merchant is not None and switches["limit_info"] == "present" and request.path != TOKEN_PATH:
            org = self.orgs[merchant]
            answer.headers.append((b"sforce-limit-info", f"api-usage={org.used}/{org.limit}".encode()))
        return answer

    def _merchant_of(self, request: Request) -> str | None:
        token = (request.authorization or b"").decode("latin-1").removeprefix("Bearer ")
        return self.tokens[token][0] if token in self.tokens else None

    def switched(self, values: Record, merchant: str | None) -> None:
        for org in self.orgs.values():
            org.locked = 0 if "lock_rows" in values else org.locked

    def kind_of(self, request: Request) -> Kind | None:
        match request.method, request.parts[3:]:
            case "GET", ["query" | "queryAll", *_]:
                return QUERY
            case "GET", ["sobjects", _, "describe"]:
                return DESCRIBE
            case "GET", ["sobjects", _, _]:
                return RECORD
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        *before, id = request.parts
        ids = list(self.orgs[merchant.id].rows.get(before[-1], ()))
        return "/" + "/".join((*before, ids[ids.index(id) - 1])) if id in ids and len(ids) > 1 else None

    def row_of_another(self, request: Request, merchant: Merchant, row: Record, switches: Record) -> Record | None:
        object = (row.get("attributes") or {}).get("type")
        rows = self.orgs[merchant.id].rows.get(str(object), {}).values()
        other = next((one for one in rows if one["Id"] != row.get("Id")), None)
        return {**row, **{name: other.get(name) for name in row if name != "attributes"}} if other else None

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        if request.path == TOKEN_PATH:
            return self._token(request, merchant, switches)
        org = self.orgs[merchant.id]
        org.used += 1
        if switches["limit_at"] is not None and org.used > int(switches["limit_at"]):
            return problem(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        asked = len(request.path) + len(request.scope["query_string"]) + 1
        if asked > int(switches["uri_max"]):
            return Answer(414, b"URI Too Long", b"text/plain")
        if request.parts[:2] != ["services", "data"] or not re.fullmatch(r"v\d\d\.0", "".join(request.parts[2:3])):
            return self.denied(request, 404)
        try:
            answered = self._routed(request, request.parts[3:], merchant, org, switches)
        except Refused as refused:
            return refused.answer
        except ItemFailed as failed:
            return problem(400, failed.code, failed.text, failed.more.get("fields"))
        return answered or self.denied(request, 404)

    def _token(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        org = self.orgs[merchant.id]
        token = f"{org.id[:15]}!{secrets.token_hex(24)}"
        self.tokens[token] = [merchant.id, switches["token_life_calls"]]
        host = f"{request.scope.get('scheme', 'http')}://{request.header(b'host')}"
        body = {"access_token": token, "instance_url": host, "token_type": "Bearer", "signature": secrets.token_hex(16)}
        body["id"] = f"https://login.salesforce.com/id/{org.id}/005Sb0000000001AAA"
        body["issued_at"] = str(int(request.at * 1000))
        return json_answer(body)

    def _routed(
        self, request: Request, rest: list[str], merchant: Merchant, org: Org, switches: Record
    ) -> Answer | None:
        match request.method, rest:
            case "GET", [("query" | "queryAll") as how]:
                org.lag.polled()
                body = self._query(request, request.query.get("q", ""), how == "queryAll", merchant, org, switches)
                return json_answer(body)
            case "GET", ["query" | "queryAll", cursor]:
                return self._next_page(request, cursor, merchant)
            case "POST", ["composite"]:
                return self._composite(request, merchant, org, switches)
            case "POST" | "PATCH" | "DELETE", ["composite", "sobjects"]:
                return self._collection(request, None, None, merchant, org, switches)
            case "PATCH", ["composite", "sobjects", object, key]:
                return self._collection(request, object, key, merchant, org, switches)
            case "POST", ["composite", "sobjects", object]:
                return self._retrieved(request, org.object(object), merchant, org, switches)
            case "GET", ["sobjects", object, "describe"]:
                name = org.object(object)
                fields = [one for one in org.columns(name, switches).values() if not one["name"].startswith("_")]
                return json_answer({"name": name, "label": name, "createable": True, "fields": fields})
            case "GET", ["sobjects", object, id]:
                return self._record(request, org.object(object), id, merchant, org, switches)
            case "GET", ["limits"]:
                left = max(0, org.limit - org.used)
                return json_answer({"DailyApiRequests": {"Max": org.limit, "Remaining": left}})
        return None

    # Reading.

    def _query(
        self, request: Request, text: str, deleted_too: bool, merchant: Merchant, org: Org, switches: Record
    ) -> Record:
        if len(text) > int(switches["soql_max"]):
            most = switches["soql_max"]
            raise ItemFailed("MALFORMED_QUERY", f"SOQL statements cannot be longer than {most} characters.")
        try:
            query = read(text, org.value)
        except BadQuery as bad:
            raise ItemFailed(bad.code, str(bad)) from None
        object = org.object(query.object)
        for name in query.used:
            org.column_of(object, name, switches)
        ids = list(org.rows[object]) if deleted_too else org.candidates(object, query.known)
        rows = [row for row in self._visible(org, object, ids, deleted_too) if query.test(row)]
        for name, down in reversed(query.order):
            rows = _ordered(org, rows, name, down)
        if query.limit is not None:
            rows = rows[: query.limit]
        version = request.parts[2]
        return self._page([_selected(org, object, row, query, version) for row in rows], version, merchant.id)

    def _visible(self, org: Org, object: str, ids: Iterable[str], deleted_too: bool) -> list[Record]:
        found = []
        for id in ids:
            seen = org.lag.seen(id, org.rows[object][id])
            if seen is not None and id not in org.gone and (deleted_too or not seen.get("IsDeleted")):
                found.append(seen)
        return found

    def _page(self, rows: list[Record], version: str, merchant: str, total: int | None = None) -> Record:
        body: Record = {"totalSize": len(rows) if total is None else total, "done": len(rows) <= ROWS_A_PAGE}
        if not body["done"]:
            cursor = f"01gSb{secrets.token_hex(6)}-{ROWS_A_PAGE}"
            self.cursors[cursor] = (merchant, rows[ROWS_A_PAGE:])
            body["nextRecordsUrl"] = f"/services/data/{version}/query/{cursor}"
        return {**body, "records": rows[:ROWS_A_PAGE]}

    def _next_page(self, request: Request, cursor: str, merchant: Merchant) -> Answer:
        owner, rows = self.cursors.get(cursor, ("", []))
        if owner != merchant.id:
            return problem(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return json_answer(self._page(rows, request.parts[2], merchant.id, len(rows)))

    def _record(
        self, request: Request, object: str, id: str, merchant: Merchant, org: Org, switches: Record
    ) -> Answer | None:
        org.lag.polled()
        row = org.lag.seen(long_id(id), org.rows[object].get(long_id(id)))
        if row is None or row.get("IsDeleted") or row["Id"] in org.gone:
            self._foreign(request, long_id(id), merchant)
            deleted = row is not None and row["Id"] not in org.gone
            return problem(404, "ENTITY_IS_DELETED", "entity is deleted") if deleted else None
        asked = request.query.get("fields")
        return json_answer(self._whole(request, org, object, row, asked.split(",") if asked else None, switches))

    def _whole(
        self, request: Request, org: Org, object: str, row: Record, names: list[str] | None, switches: Record
    ) -> Record:
        columns = org.columns(object, switches)
        shown = (
            [org.column_of(object, n, switches)["name"] for n in names]
            if names
            else [c["name"] for c in columns.values()]
        )
        url = f"/services/data/{request.parts[2]}/sobjects/{object}/{row['Id']}"
        return {"attributes": {"type": object, "url": url}, **{name: row.get(name) for name in shown}}

    def _retrieved(self, request: Request, object: str, merchant: Merchant, org: Org, switches: Record) -> Answer:
        form = request.json_object()
        org.lag.polled()
        rows: list[Record | None] = []
        for id in form.get("ids") or []:
            row = org.lag.seen(long_id(str(id)), org.rows[object].get(long_id(str(id))))
            if row is None:
                self._foreign(request, long_id(str(id)), merchant)
            there = row is not None and not row.get("IsDeleted") and row["Id"] not in org.gone
            rows.append(self._whole(request, org, object, row, form.get("fields"), switches) if row and there else None)
        return json_answer(rows)

    def _foreign(self, request: Request, id: str, merchant: Merchant) -> None:
        """Note an id that belongs to another org."""
        for owner, other in self.orgs.items():
            if owner != merchant.id and any(id in rows for rows in other.rows.values()):
                self.find("other_merchants_record", merchant, request, owner=owner, id=id)

    def _composite(self, request: Request, merchant: Merchant, org: Org, switches: Record) -> Answer | None:
        most = int(switches["composite_query_max"])
        if most == 0:
            return None
        asked = request.json_object().get("compositeRequest")
        if not isinstance(asked, list) or len(asked) > MOST_SUBREQUESTS:
            return problem(400, "BAD_REQUEST", f"at most {MOST_SUBREQUESTS} subrequests")
        if sum("/query" in str(one.get("url")) for one in asked) > most:
            return problem(400, "BAD_REQUEST", f"at most {most} of the subrequests may be queries")
        org.lag.polled()
        return json_answer({"compositeResponse": [self._part(request, one, merchant, org, switches) for one in asked]})

    def _part(self, request: Request, one: Record, merchant: Merchant, org: Org, switches: Record) -> Record:
        url = urlsplit(str(one.get("url")))
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        reference: Record = {"referenceId": one.get("referenceId"), "httpHeaders": {}}
        if parts[3:] not in (["query"], ["queryAll"]) or str(one.get("method")).upper() != "GET":
            error = [{"errorCode": "NOT_FOUND", "message": "only queries are imitated here"}]
            return {"body": error, "httpStatusCode": 404, **reference}
        text = parse_qs(url.query).get("q", [""])[0]
        try:
            body: Any = self._query(request, text, parts[3] == "queryAll", merchant, org, switches)
        except ItemFailed as failed:
            return {"body": [{"message": failed.text, "errorCode": failed.code}], "httpStatusCode": 400, **reference}
        return {"body": body, "httpStatusCode": 200, **reference}

    # Writing.

    def _collection(
        self, request: Request, of: str | None, key: str | None, merchant: Merchant, org: Org, switches: Record
    ) -> Answer:
        self.fire("write", merchant, request)
        if request.method == "DELETE":
            ids = [id for id in request.query.get("ids", "").split(",") if id]
            all_or_none = request.query.get("allOrNone") == "true"
            return self._each(request, ids, lambda id: self._deleted(request, id, org), all_or_none, org)
        form = request.json_object()
        records = form.get("records")
        if not isinstance(records, list) or not records or not all(isinstance(one, dict) for one in records):
            return problem(400, "JSON_PARSER_ERROR", "records are missing")
        if len(records) > MOST_RECORDS:
            return problem(
                400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST_RECORDS} records"
            )
        object = org.object(of or str((records[0].get("attributes") or {}).get("type")))
        if any((one.get("attributes") or {}).get("type") != object for one in records):
            return problem(400, "INVALID_TYPE", f"every record needs attributes of type {object}")
        if key is not None:
            key = self._key(org, object, key, switches)
        org.check_names(object, records, switches)
        allow = "allowsave=true" in (request.header(b"sforce-duplicate-rule-header") or "").lower()
        seq = request.seq

        def write(record: Record) -> Record:
            if key is not None:
                row, new = org.upsert(object, key, record, switches, seq, allow)
                return {"id": row["Id"], "created": new}
            change = org.update if request.method == "PATCH" else org.create
            return {"id": change(object, record, switches, seq, allow)["Id"]}

        return self._each(request, records, write, form.get("allOrNone") is True, org, merchant)

    def _key(self, org: Org, object: str, key: str, switches: Record) -> str:
        found = org.columns(object, switches).get(key.lower())
        if found is None or not found["externalId"]:
            text = f"Provided external ID field does not exist or is not accessible: {key}"
            raise Refused(problem(404, "NOT_FOUND", text))
        return str(found["name"])

    def _each(
        self,
        request: Request,
        items: list[Any],
        write: Callable[[Any], Record],
        all_or_none: bool,
        org: Org,
        merchant: Merchant | None = None,
    ) -> Answer:
        before = org.snapshot() if all_or_none else None
        results: list[Record] = []
        for item in items:
            try:
                results.append({"success": True, "errors": [], **write(item)})
            except ItemFailed as failed:
                if merchant is not None and failed.more.get("id"):
                    self._foreign(request, str(failed.more["id"]), merchant)
                error = {"statusCode": failed.code, "message": failed.text, "fields": failed.more.get("fields", [])}
                results.append({"success": False, "errors": [error]})
        if all_or_none and not all(result["success"] for result in results):
            org.restored(before)
            text = "Record rolled back because not all records were valid and the request was using AllOrNone header"
            back = [{"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": text, "fields": []}]
            results = [r if not r["success"] else {"success": False, "errors": back} for r in results]
        return json_answer(results)

    def _deleted(self, request: Request, id: str, org: Org) -> Record:
        object = next((name for name, rows in org.rows.items() if long_id(id) in rows), "Contact")
        org.delete(object, id, request.seq)
        return {"id": long_id(id)}

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        org = self.orgs[merchant.id]
        if name == "usage":
            org.used, org.limit = int(body.get("used", org.used)), int(body.get("limit", org.limit))
            return {"used": org.used, "limit": org.limit}
        if name == "expire":
            self.tokens = {token: held for token, held in self.tokens.items() if held[0] != merchant.id}
            return {}
        id = self._id(org, str(body.get("id") or body.get("email")))
        row = org.rows["Contact"][id]
        match name:
            case "unsubscribe" | "suppress":
                if body.get("campaign") is None:
                    return self._edited(org, "Contact", {**row, "HasOptedOutOfEmail": True})
                pair = (long_id(str(body["campaign"])), id)
                member = next(
                    m for m in org.rows["CampaignMember"].values() if (m["CampaignId"], m["ContactId"]) == pair
                )
                if body.get("status") is None:
                    return self._edited(org, "CampaignMember", {**member, "IsDeleted": True})
                return self._edited(org, "CampaignMember", {**member, "Status": body["status"]})
            case "confirm":
                return self._edited(org, "Contact", {**row, "HasOptedOutOfEmail": False})
            case "delete":
                return self._edited(org, "Contact", {**row, "IsDeleted": True})
            case "gdpr_delete":
                org.gone.add(id)
                return self._edited(org, "Contact", {**row, "IsDeleted": True})
            case "merge":
                copied = self.switches.of(merchant.id)["merge_keeps_key"] == "key_copied"
                return org.merge(id, self._id(org, str(body.get("loser") or body.get("loser_email"))), copied)
            case "edit":
                return self._edited(org, "Contact", {**row, **body["fields"]})
        raise NoSuchRecord(name)

    def _edited(self, org: Org, object: str, row: Record) -> Record:
        org.rows[object][row["Id"]] = row
        org.changed()
        return row

    def _id(self, org: Org, id_or_email: str) -> str:
        contacts = org.rows["Contact"]
        if long_id(id_or_email) in contacts:
            return long_id(id_or_email)
        live = (row for row in contacts.values() if not row.get("IsDeleted"))
        found = next((row for row in live if text_of(row.get("Email")) == text_of(id_or_email)), None)
        if found is None:
            raise NoSuchRecord(f"contacts {id_or_email}")
        return str(found["Id"])

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        if name == "books":
            return [{"merchant": m.id, **entry} for m in merchants for entry in self.orgs[m.id].books]
        if name == "usage":
            return {m.id: {"used": self.orgs[m.id].used, "limit": self.orgs[m.id].limit} for m in merchants}
        raise NoSuchRecord(name)

    def _object(self, kind: str) -> str:
        return {"contacts": "Contact", "campaigns": "Campaign", "members": "CampaignMember"}[kind]

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        org = self.orgs[merchant.id]
        return list((org.fields["Contact"] if kind == "fields" else org.rows[self._object(kind)]).values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        org = self.orgs[merchant.id]
        table = org.fields["Contact"] if kind == "fields" else org.rows[self._object(kind)]
        key = id.lower() if kind == "fields" else self._id(org, id) if kind == "contacts" else long_id(id)
        if key not in table:
            raise NoSuchRecord(f"{kind} {id}")
        return table[key]

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        org = self.orgs[merchant.id]
        if kind == "fields":
            made = {**column(str(fields["name"])), **fields}
            org.fields["Contact"][made["name"].lower()] = made
            return made
        switches = self.switches.defaults  # a person in the web application meets none of what is bent
        object = self._object(kind)
        hidden = {k: v for k, v in fields.items() if k.startswith("_")}
        row = org.create(object, {k: v for k, v in fields.items() if k not in hidden}, switches, 0)
        row.update(hidden)
        return row

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        org, row = self.orgs[merchant.id], self.record(merchant, kind, id)
        if kind == "fields":
            row.update(fields)
            return row
        kept = {"Id": row["Id"], "IsDeleted": False} if replace else row
        return self._edited(org, self._object(kind), {**kept, **fields})

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        org, row = self.orgs[merchant.id], self.record(merchant, kind, id)
        if kind == "fields":
            del org.fields["Contact"][row["name"].lower()]
        else:
            self._edited(org, self._object(kind), {**row, "IsDeleted": True})


def _ordered(org: Org, rows: list[Record], name: str, down: bool) -> list[Record]:
    def place(row: Record) -> tuple[bool, str]:
        value = org.value(row, name)
        return value is not None, str(value)

    return sorted(rows, key=place, reverse=down)


def _selected(org: Org, object: str, row: Record, query: Query, version: str) -> Record:
    shown: Record = {"attributes": {"type": object, "url": f"/services/data/{version}/sobjects/{object}/{row['Id']}"}}
    columns = {c["name"].lower(): c["name"] for c in org.fields[object].values()}
    if object == "Contact" and "hasoptedoutofemail" in [name.lower() for name in query.fields]:
        org.told[row["Id"]] = bool(row.get("HasOptedOutOfEmail"))
    for name in query.fields:
        first, _, rest = name.partition(".")
        if rest:
            shown.setdefault(first, {"attributes": {"type": first}})[rest] = org.value(row, name)
        else:
            shown[columns.get(name.lower(), name)] = org.value(row, name)
    return shown
