"""Answers as Klaviyo does: run as `python -m vs_st_pipeline.sandbox.klaviyo`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn, ItemFailed, Refused, text_of
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.klaviyo.account import Account, Pending, new_profile, stamp
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

JSON_API = b"application/vnd.api+json"
PROFILES = Kind("profiles", "id", "attributes", "data", ("attributes",))
ONE = Kind("one", "data", "data", None)
MOST = {"import": 10000, "subscribe": 1000, "unsubscribe": 100, "members": 1000}
ERRORS_A_PAGE = 20


def problem(status: int, code: str, detail: str, pointer: str = "/data") -> Answer:
    """Return an error body."""
    title = {400: "Invalid input.", 404: "Not found.", 429: "Request was throttled."}.get(status, "Error.")
    error = {"id": "5d0c1f6e-0000-4000-8000-000000000001", "status": status, "code": code, "title": title}
    return json_answer({"errors": [{**error, "detail": detail, "source": {"pointer": pointer}}]}, status, JSON_API)


def found(value: Any, status: int = 200) -> Answer:
    """Return a JSON:API body."""
    return json_answer(value, status, JSON_API)


class Klaviyo(AccountStandIn):
    """Answers /api/... for several accounts, each under its own private key."""

    system = "klaviyo"
    kinds = ("profiles", "lists", "marketing")
    acts = ("clock", "unsubscribe", "suppress", "delete", "gdpr_delete", "merge", "edit", "confirm")
    paths = (
        (r"/api/profiles/[^/]+", "/api/profiles/{id}"),
        (r"/api/profile-bulk-import-jobs/[^/]+", "/api/profile-bulk-import-jobs/{id}"),
        (r"/api/profile-bulk-import-jobs/[^/]+/import-errors", "/api/profile-bulk-import-jobs/{id}/import-errors"),
        (r"/api/lists/[^/]+", "/api/lists/{id}"),
        (r"/api/lists/[^/]+/profiles", "/api/lists/{id}/profiles"),
        (r"/api/lists/[^/]+/relationships/profiles", "/api/lists/{id}/relationships/profiles"),
    )

    def accounts_opened(self) -> None:
        self.accounts = {m.id: Account(m, self.part(m), self.clock) for m in self.merchants.values()}
        self.callers = {f"Klaviyo-API-Key {self.keys_of(m)['api_key']}".encode(): m for m in self.merchants.values()}

    def keys_of(self, merchant: Merchant) -> Record:
        return {"api_key": f"pk_of_{merchant.id}", "account": self.accounts[merchant.id].id}

    def items_of(self, body: Any) -> int:
        data = body.get("data") if isinstance(body, dict) else None
        if isinstance(data, list):
            return len(data)
        profiles = ((data or {}).get("attributes") or {}).get("profiles") if isinstance(data, dict) else None
        return len(profiles.get("data") or ()) if isinstance(profiles, dict) else int(data is not None)

    def caller(self, request: Request) -> Merchant | None:
        return self.callers.get(request.authorization or b"")

    def refuse(self, request: Request, switches: Record) -> Answer:
        return self.denied(request, 401)

    def denied(self, request: Request, status: int) -> Answer:
        words = {
            401: ("not_authenticated", "Missing or invalid private key."),
            403: ("permission_denied", "Your key lacks the scope that this call needs."),
            404: ("not_found", "There is no such resource."),
            410: ("gone", "The revision is retired."),
            429: ("throttled", "Request was throttled. Expected available in 1 second."),
        }
        return problem(status, *words.get(status, ("invalid" if status < 500 else "error", "Something is wrong.")))

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        if answer.status == 429 and switches["rate_429"] == "retry_after":
            answer.headers.append((b"retry-after", b"1"))
        elif answer.status != 429:
            answer.headers += [(b"ratelimit-limit", b"10, 10;w=1, 150;w=60"), (b"ratelimit-remaining", b"9")]
            answer.headers.append((b"ratelimit-reset", b"1"))
        return answer

    def bad_json(self, request: Request) -> Answer:
        return problem(400, "invalid", "The body is no JSON.")

    def kind_of(self, request: Request) -> Kind | None:
        match request.method, request.parts:
            case "GET", ["api", "profiles"] | ["api", "lists", _, "profiles"]:
                return PROFILES
            case "GET", ["api", "accounts" | "lists" | "profiles" | "profile-bulk-import-jobs", *_]:
                return ONE
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        account = self.accounts[merchant.id]
        tables: Record = {"lists": account.lists, "profiles": account.profiles}
        tables["profile-bulk-import-jobs"] = account.jobs
        ids = list(tables.get(request.parts[1], ()))
        if len(request.parts) < 3 or request.parts[2] not in ids or len(ids) < 2:
            return None
        other = ids[ids.index(request.parts[2]) - 1]
        return "/" + "/".join((*request.parts[:2], other, *request.parts[3:]))

    def row_of_another(self, request: Request, merchant: Merchant, row: Record, switches: Record) -> Record | None:
        others = (one for id, one in self.accounts[merchant.id].profiles.items() if id != row.get("id"))
        other = next(others, None)
        return self._shown(other, request, self.accounts[merchant.id], switches) if other else None

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        revision = request.header(b"revision") or ""
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.pre)?", revision):
            return problem(400, "invalid", "Missing or invalid header: revision")
        if switches["revision_retired"] == 410:
            return self.denied(request, 410)
        if len(request.path) + len(request.scope["query_string"]) + 1 > int(switches["url_max"]):
            return Answer(414, b"URI too long", b"text/plain")
        if self.limited(merchant, switches["rate_limit_every"]):
            return self.denied(request, 429)
        account = self.accounts[merchant.id]
        try:
            answered = self._routed(request, request.parts, merchant, account, switches)
        except Refused as refused:
            return refused.answer
        except ItemFailed as failed:
            return problem(
                failed.more.get("status", 400), failed.code, failed.text, failed.more.get("pointer", "/data")
            )
        if answered is None:
            self._foreign(request, merchant)
        return answered or self.denied(request, 404)

    def _foreign(self, request: Request, merchant: Merchant) -> None:
        """Note an id that belongs to another account."""
        for id, other in self.accounts.items():
            if id != merchant.id and any(p in other.lists or p in other.profiles for p in request.parts):
                self.find("other_merchants_record", merchant, request, owner=id)

    def _routed(
        self, request: Request, parts: list[str], merchant: Merchant, account: Account, switches: Record
    ) -> Answer | None:
        match request.method, parts:
            case "GET", ["api", "accounts"]:
                if switches["accounts"] == 403:
                    return self.denied(request, 403)
                details = {"contact_information": {"organization_name": merchant.name}, "timezone": "Europe/London"}
                return found({"data": [{"type": "account", "id": account.id, "attributes": details}]})
            case "GET", ["api", "profiles"]:
                return self._profiles(request, account.profiles, account, switches)
            case "GET", ["api", "profiles", id]:
                return self._one(request, id, account, switches)
            case "POST", ["api", "profile-import"]:
                return self._import(request, merchant, account, switches)
            case _, ["api", "profile-bulk-import-jobs", *rest]:
                return self._jobs(request, rest, merchant, account, switches)
            case "POST", ["api", "profile-subscription-bulk-create-jobs"]:
                return self._subscribe(request, merchant, account, switches)
            case "POST", ["api", "profile-subscription-bulk-delete-jobs"]:
                return self._unsubscribe(request, merchant, account, switches)
            case _, ["api", "lists", id, *rest] if id in account.lists:
                return self._list(request, id, rest, merchant, account, switches)
        return None

    # Reading.

    def _profiles(self, request: Request, ids: Collection[str], account: Account, switches: Record) -> Answer:
        account.lag.polled()
        self._poll_subscriptions(request, account, switches)
        wanted = _filtered(request.query.get("filter"), int(switches["any_max"]))
        if wanted is None:
            profiles = [account.profiles[id] for id in ids if id in account.profiles]
        else:
            asked = [account.asked_for(email, switches) for email in wanted]
            profiles = list({p["id"]: p for p in asked if p is not None and p["id"] in ids}.values())
        for email in wanted or ():
            account.told.setdefault(text_of(email), False)
        profiles = [seen for p in profiles if (seen := account.lag.seen(p["id"], account.profiles[p["id"]]))]
        size = int(request.query.get("page[size]") or 20)
        if not 1 <= size <= 100:
            raise Refused(problem(400, "invalid", "page[size] must be between 1 and 100", "page[size]"))
        start = int(request.query.get("page[cursor]") or 0)
        link = None
        if start + size < len(profiles):
            rest = "&".join(f"{quote(k)}={quote(v)}" for k, v in request.query.items() if k != "page[cursor]")
            host = request.header(b"host") or "a.klaviyo.com"
            link = f"{request.scope.get('scheme', 'http')}://{host}{request.path}?{rest}&page[cursor]={start + size}"
        shown = [self._shown(profile, request, account, switches) for profile in profiles[start : start + size]]
        return found({"data": shown, "links": {"self": request.path, "next": link, "prev": None}})

    def _one(self, request: Request, id: str, account: Account, switches: Record) -> Answer | None:
        account.lag.polled()
        self._poll_subscriptions(request, account, switches)
        profile = account.by_id(id, switches)
        profile = account.lag.seen(profile["id"], profile) if profile else None
        return found({"data": self._shown(profile, request, account, switches)}) if profile else None

    def _shown(self, profile: Record, request: Request, account: Account, switches: Record) -> Record:
        attributes = dict(profile["attributes"])
        if request.query.get("additional-fields[profile]") == "subscriptions":
            state = profile["marketing"]
            told = state["consent"] == "UNSUBSCRIBED" or state["suppression"] or state["list_suppressions"]
            account.told[text_of(attributes["email"])] = bool(told)
            attributes["subscriptions"] = _subscriptions(profile["marketing"], switches)
        links = {"self": f"https://a.klaviyo.com/api/profiles/{profile['id']}/"}
        return {"type": "profile", "id": profile["id"], "attributes": attributes, "links": links}

    def _poll_subscriptions(self, request: Request, account: Account, switches: Record) -> None:
        """Let subscriptions happen that were asked for so many reads ago."""
        due = [pending for pending in account.subscribing if pending.polled()]
        account.subscribing = [pending for pending in account.subscribing if pending not in due]
        for pending in due:
            self._happen(request, account, pending, switches)

    def _happen(self, request: Request, account: Account, pending: Pending, switches: Record) -> None:
        self.fire("batch_apply", account.merchant, request)
        for wish in pending.record["wishes"]:
            account.subscribe(wish, switches, pending.record["seq"])

    # Writing.

    def _import(self, request: Request, merchant: Merchant, account: Account, switches: Record) -> Answer:
        given = request.json_object().get("data")
        if not isinstance(given, dict) or given.get("type") != "profile":
            raise Refused(problem(400, "invalid", "data must be a profile"))
        self.fire("write", merchant, request)
        account.check(given, "/data", switches)
        profile, new = account.write(given, True, switches, request.seq)
        return found({"data": self._shown(profile, request, account, switches)}, 201 if new else 200)

    def _form(self, request: Request, type: str, most: int) -> tuple[Record, list[Record], str | None]:
        """Return the attributes of a job, its profiles and its list."""
        data = request.json_object().get("data")
        if not isinstance(data, dict) or data.get("type") != type:
            raise Refused(problem(400, "invalid", f"data must be a {type}"))
        attributes = data.get("attributes") or {}
        profiles = (attributes.get("profiles") or {}).get("data")
        if not isinstance(profiles, list) or not profiles or not all(isinstance(one, dict) for one in profiles):
            raise Refused(problem(400, "invalid", "profiles are missing", "/data/attributes/profiles"))
        if len(profiles) > most:
            text = f"at most {most} profiles"
            raise Refused(problem(400, "invalid", text, "/data/attributes/profiles/data"))
        related: Any = ((data.get("relationships") or {}).get("list" if "subscription" in type else "lists") or {}).get(
            "data"
        )
        related = related[0] if isinstance(related, list) and related else related
        return attributes, profiles, str(related["id"]) if related else None

    def _checked(self, account: Account, profiles: list[Record], switches: Record) -> list[tuple[int, ItemFailed]]:
        """Return what is wrong with which profile; the first one spoils the request where the switch says so."""
        wrong = []
        for i, given in enumerate(profiles):
            try:
                account.check(given, f"/data/attributes/profiles/data/{i}", switches)
            except ItemFailed as failed:
                if switches["bad_profile"] == "whole_400":
                    raise
                wrong.append((i, failed))
        return wrong

    def _jobs(
        self, request: Request, rest: list[str], merchant: Merchant, account: Account, switches: Record
    ) -> Answer | None:
        if request.method == "POST" and not rest:
            if len(request.body) > 5 * 1024 * 1024:
                return problem(413, "invalid", "The body is over 5 MB.")
            _, profiles, list_id = self._form(request, "profile-bulk-import-job", MOST["import"])
            self._known_list(request, merchant, account, list_id)
            self.fire("write", merchant, request)
            wrong = self._checked(account, profiles, switches)
            job: Record = {"id": secrets.token_hex(12), "profiles": profiles, "list": list_id, "wrong": wrong}
            job |= {"status": "queued", "errors": [], "completed": 0, "seq": request.seq, "at": self.clock.now()}
            job["pending"] = Pending(switches["job_lag_polls"], {})
            account.jobs[job["id"]] = job
            if switches["job_lag_polls"] == 0:
                self._finish(request, account, job, switches)
            return found({"data": _job(job)}, 202)
        job_of = account.jobs.get(rest[0]) if rest else None
        if job_of is None or request.method != "GET":
            return None
        if rest[1:] == ["import-errors"]:
            return self._import_errors(request, job_of)
        if job_of["status"] != "complete":
            job_of["status"] = "processing"
            if job_of["pending"].polled():
                self._finish(request, account, job_of, switches)
        return found({"data": _job(job_of)})

    def _finish(self, request: Request, account: Account, job: Record, switches: Record) -> None:
        self.fire("batch_apply", account.merchant, request)
        wrong = dict(job["wrong"])
        for i, given in enumerate(job["profiles"]):
            try:
                if i in wrong:
                    raise wrong[i]
                profile, _ = account.write(given, False, switches, job["seq"])
                if job["list"] and account.join(job["list"], profile["id"]):
                    account.note("list_added", job["seq"], list=job["list"], **_named(profile))
                job["completed"] += 1
            except ItemFailed as failed:
                job["errors"].append(_import_error(i, given, failed, switches["job_errors"]))
        job["status"] = "complete"

    def _import_errors(self, request: Request, job: Record) -> Answer:
        errors = [error for error in job["errors"] if error]
        start = int(request.query.get("page[cursor]") or 0)
        link = f"{request.path}?page[cursor]={start + ERRORS_A_PAGE}" if start + ERRORS_A_PAGE < len(errors) else None
        if link:
            link = f"{request.scope.get('scheme', 'http')}://{request.header(b'host')}{link}"
        return found({"data": errors[start : start + ERRORS_A_PAGE], "links": {"next": link}})

    def _known_list(self, request: Request, merchant: Merchant, account: Account, list_id: str | None) -> None:
        if list_id is not None and list_id not in account.lists:
            if any(list_id in other.lists for other in self.accounts.values()):
                self.find("other_merchants_record", merchant, request, list=list_id)
            raise ItemFailed("not_found", f"A list with id {list_id} does not exist.", status=404)

    def _subscribe(self, request: Request, merchant: Merchant, account: Account, switches: Record) -> Answer:
        attributes, profiles, list_id = self._form(request, "profile-subscription-bulk-create-job", MOST["subscribe"])
        self._known_list(request, merchant, account, list_id)
        self.fire("write", merchant, request)
        wrong = {i for i, _ in self._checked(account, profiles, switches)}
        historical = attributes.get("historical_import") is True
        wishes = []
        for i, given in enumerate(profiles):
            at = f"/data/attributes/profiles/data/{i}/attributes"
            values = given.get("attributes") or {}
            email = values.get("email")
            marketing = ((values.get("subscriptions") or {}).get("email") or {}).get("marketing") or {}
            if i not in wrong and marketing.get("consent") != "SUBSCRIBED":
                raise ItemFailed("invalid", "consent must be SUBSCRIBED", pointer=f"{at}/subscriptions")
            if historical and not _is_past(marketing.get("consented_at"), self.clock.now()):
                text = "consented_at must be in the past where historical_import is true"
                raise ItemFailed("invalid", text, pointer=f"{at}/subscriptions/email/marketing/consented_at")
            if i not in wrong and email:
                wish: Record = {"email": str(email), "list": list_id, "source": attributes.get("custom_source")}
                wishes.append({**wish, "historical": historical, "consented_at": marketing.get("consented_at")})
        for wish in wishes:
            state: Record = {"opted_out": account.opted_out(wish["email"], list_id)}
            state |= {"told": account.told.get(text_of(wish["email"]))}
            account.note("subscribe_asked", request.seq, **wish, **state)
        pending = Pending(switches["subscribe_lag_polls"], {"wishes": wishes, "seq": request.seq})
        if pending.polls == 0:
            self._happen(request, account, pending, switches)
        else:
            account.subscribing.append(pending)
        return Answer(202)

    def _unsubscribe(self, request: Request, merchant: Merchant, account: Account, switches: Record) -> Answer:
        _, profiles, list_id = self._form(request, "profile-subscription-bulk-delete-job", MOST["unsubscribe"])
        self._known_list(request, merchant, account, list_id)
        if any("sms" in ((one.get("attributes") or {}).get("subscriptions") or {}) for one in profiles):
            raise Refused(problem(400, "invalid", "No sending number for SMS is set up in this account."))
        self.fire("write", merchant, request)
        wrong = {i for i, _ in self._checked(account, profiles, switches)}
        for i, given in enumerate(profiles):
            if i not in wrong:
                account.withdraw(str((given.get("attributes") or {}).get("email")), list_id, request.seq)
        return Answer(202)

    # Lists.

    def _list(
        self, request: Request, id: str, rest: list[str], merchant: Merchant, account: Account, switches: Record
    ) -> Answer | None:
        match request.method, rest:
            case "GET", []:
                shown = {**account.lists[id], "opt_in_process": account.opt_in_of(id, switches)}
                shown = {key: value for key, value in shown.items() if key != "id"}
                return found({"data": {"type": "list", "id": id, "attributes": shown}})
            case "GET", ["profiles"]:
                return self._profiles(request, account.members.get(id, {}), account, switches)
            case (("POST" | "DELETE"), ["relationships", "profiles"]):
                data = request.json_object().get("data")
                if not isinstance(data, list) or len(data) > MOST["members"]:
                    raise Refused(problem(400, "invalid", f"at most {MOST['members']} profiles"))
                self.fire("write", merchant, request)
                for one in data:
                    self._move(request, id, str(one.get("id")), merchant, account, switches)
                return Answer(204)
        return None

    def _move(
        self, request: Request, list_id: str, id: str, merchant: Merchant, account: Account, switches: Record
    ) -> None:
        profile = account.by_id(id, switches)
        if profile is None:
            for other in self.accounts.values():
                if id in other.profiles:
                    self.find("other_merchants_record", merchant, request, profile=id)
            raise ItemFailed("not_found", f"A profile with id {id} does not exist.", status=404)
        if request.method == "DELETE":
            if account.members.get(list_id, {}).pop(profile["id"], None):
                account.note("list_removed", request.seq, list=list_id, **_named(profile))
        elif account.join(list_id, profile["id"]):
            account.note("list_added", request.seq, list=list_id, **_named(profile))

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        account = self.accounts[merchant.id]
        list_id = body.get("list")
        if name == "confirm":
            return account.confirm(str(body["email"]), list_id)
        id = self._id(account, str(body.get("id") or body.get("email")))
        match name:
            case "unsubscribe":
                return account.unsubscribe(id, list_id)
            case "suppress":
                return account.suppress(id, str(body.get("reason") or "USER_SUPPRESSED"))
            case "delete" | "gdpr_delete":
                account.delete(id, name == "gdpr_delete")
                return {}
            case "merge":
                return account.merge(id, self._id(account, str(body.get("loser") or body.get("loser_email"))))
            case "edit":
                return self.change_record(merchant, "profiles", id, body["fields"], False, True)
        raise NoSuchRecord(name)

    def _id(self, account: Account, id_or_email: str) -> str:
        profile = account.profiles.get(id_or_email) or account.by_email(id_or_email)
        if profile is None:
            raise NoSuchRecord(f"profiles {id_or_email}")
        return str(profile["id"])

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        if name == "books":
            return [{"merchant": m.id, **entry} for m in merchants for entry in self.accounts[m.id].books]
        if name == "members":
            return {m.id: {k: sorted(v) for k, v in self.accounts[m.id].members.items()} for m in merchants}
        if name == "awaiting":
            waiting = [(m.id, *key) for m in merchants for key in self.accounts[m.id].awaiting]
            return [{"merchant": merchant, "id": id, "list": list_id} for merchant, id, list_id in waiting]
        if name == "jobs":
            return [{"merchant": m.id, **_job(job)} for m in merchants for job in self.accounts[m.id].jobs.values()]
        raise NoSuchRecord(name)

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        account = self.accounts[merchant.id]
        if kind == "lists":
            return list(account.lists.values())
        return [self.record(merchant, kind, id) for id in account.profiles]

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        account = self.accounts[merchant.id]
        if kind == "lists":
            if id not in account.lists:
                raise NoSuchRecord(f"lists {id}")
            return account.lists[id]
        profile = account.profiles[self._id(account, id)]
        return profile if kind == "profiles" else {"id": profile["id"], **profile["marketing"]}

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        account = self.accounts[merchant.id]
        if kind == "lists":
            account.lists[str(fields["id"])] = {"opt_in_process": None, "name": "Another list", **fields}
            return account.lists[str(fields["id"])]
        number = len(account.profiles) + 1
        id = str(fields.get("id") or f"01SANDBOX{merchant.account:05d}9{number:011d}")
        marketing, attributes = fields.get("marketing") or {}, fields.get("attributes") or fields
        attributes = {k: v for k, v in attributes.items() if k not in ("id", "marketing")}
        profile = new_profile(id, attributes.pop("email", None), stamp(self.clock.now()), **attributes)
        account.profiles[id] = {**profile, "marketing": {**profile["marketing"], **marketing}}
        account.changed()
        return account.profiles[id]

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        account = self.accounts[merchant.id]
        if kind == "lists":
            self.record(merchant, kind, id).update(fields)
            return account.lists[id]
        id = self._id(account, id)
        if kind == "marketing":
            return account.set_marketing(id, fields)
        profile = account.profiles[id]
        now = {"updated": stamp(self.clock.now())} if touch else {}
        blank = new_profile(id, None, profile["attributes"]["created"])["attributes"]
        changed: Record = blank | ({} if replace else profile["attributes"]) | now
        for name, value in (fields.get("attributes") or fields).items():
            changed[name] = {**changed["properties"], **value} if name == "properties" and not replace else value
        account.profiles[id] = {**profile, "attributes": changed}
        account.changed()
        return account.profiles[id]

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        account = self.accounts[merchant.id]
        if kind == "lists":
            self.record(merchant, kind, id)
            del account.lists[id]
        else:
            account.delete(self._id(account, id), False)


def _named(profile: Record) -> Record:
    return {"id": profile["id"], "email": profile["attributes"]["email"]}


def _job(job: Record) -> Record:
    failed = len(job["errors"])
    total, expires = len(job["profiles"]), stamp(job["at"] + timedelta(days=7))
    counts = {"total_count": total, "completed_count": job["completed"], "failed_count": failed}
    attributes = {"status": job["status"], "created_at": stamp(job["at"]), **counts, "expires_at": expires}
    return {"type": "profile-bulk-import-job", "id": job["id"], "attributes": attributes}


def _import_error(i: int, given: Record, failed: ItemFailed, how: str) -> Record | None:
    if how == "count_only":
        return None
    pointer = failed.more.get("pointer", f"/data/attributes/profiles/data/{i}")
    if how == "by_payload" or not pointer.startswith("/data/attributes/profiles"):
        pointer = "/data" if how == "by_payload" else f"/data/attributes/profiles/data/{i}"
    details = {"code": failed.code, "title": "Invalid input.", "detail": failed.text, "source": {"pointer": pointer}}
    if how == "by_payload":
        details["original_payload"] = given
    return {"type": "import-error", "id": f"error-{i}", "attributes": details}


def _filtered(text: str | None, any_max: int) -> list[str] | None:
    """Return the addresses that a filter names; None: no filter."""
    if not text:
        return None
    found = re.fullmatch(r"(any|equals)\(email,\s*(.*)\)", text, re.DOTALL)
    try:
        value = json.loads(found[2]) if found else None
    except ValueError:
        value = None
    if found and found[1] == "equals" and isinstance(value, str):
        return [value]
    if found and found[1] == "any" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        if any_max == 0:
            raise Refused(problem(400, "invalid", "Invalid filter: any is not allowed for email", "filter"))
        if len(value) > any_max:
            raise Refused(problem(400, "invalid", f"Invalid filter: at most {any_max} values", "filter"))
        return value
    raise Refused(problem(400, "invalid", "Invalid filter provided", "filter"))


def _is_past(text: Any, now: datetime) -> bool:
    """Say whether a time is in the past; one without a zone is taken for one in the future, as has been seen."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return False
    return at.tzinfo is not None and at < now


def _subscriptions(marketing: Record, switches: Record) -> Record:
    shown: Record = {**marketing, "can_receive_email_marketing": not marketing["suppression"]}
    shown["consent"] = _consent(str(marketing["consent"]), switches["consent_words"])
    for key in ("consent_timestamp", "last_updated"):
        shown[key] = _time(shown[key], switches["timestamps"])
    for key in ("suppression", "list_suppressions"):
        shown[key] = [{**one, "timestamp": _time(one.get("timestamp"), switches["timestamps"])} for one in shown[key]]
    if switches["timestamps"] == "absent":
        shown = {key: value for key, value in shown.items() if key not in ("consent_timestamp", "last_updated")}
        for key in ("suppression", "list_suppressions"):
            shown[key] = [{k: v for k, v in one.items() if k != "timestamp"} for one in shown[key]]
    return {"email": {"marketing": shown}, "sms": None}


def _consent(word: str, how: str) -> str:
    return word if how == "upper" else word.title()


def _time(text: Any, how: str) -> Any:
    if not text:
        return None
    at = datetime.fromisoformat(text).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f" + ("Z" if how == "microseconds_z" else ""))
