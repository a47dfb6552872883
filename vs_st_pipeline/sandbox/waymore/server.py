"""Answers as WayMore does: run as `python -m vs_st_pipeline.sandbox.waymore`."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn
from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, BadJson, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.faults import LOGIN_PAGE, OTHER_PAGE
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.waymore import answers, forms
from vs_st_pipeline.sandbox.waymore.account import Account
from vs_st_pipeline.sandbox.waymore.answers import AUTHENTICATE, DATA, ENDPOINTS, EVENT, MOVED, said
from vs_st_pipeline.sandbox.waymore.forms import Bad
from vs_st_pipeline.sandbox.waymore.kept import MASS, Call
from vs_st_pipeline.sandbox.waymore.names import BLOCKS, address_of, id_of

RATE_LIMITED_EVERY = 7


class Waymore(AccountStandIn):
    """Answers /api/... for several accounts: the one named by user name, domain or uuid in the body."""

    system = "waymore"
    kinds = (*BLOCKS, "carts")
    acts = ("clock", "shop", "give_out")

    def accounts_opened(self) -> None:
        self.accounts = {m.id: self._account(m) for m in self.merchants.values()}

    def _account(self, merchant: Merchant) -> Account:
        def find(what: str, call: Call, **details: Any) -> None:
            self.findings.append({"what": what, "merchant": merchant.id, "seq": call.seq, **details})

        return Account(merchant.id, self.part(merchant), self.clock, find)

    def keys_of(self, merchant: Merchant) -> Record:
        account = self.accounts[merchant.id]
        return {
            "username": account.username,
            "password": account.password,
            "domain": account.domain,
            "uuid": account.registered,
        }

    def items_of(self, body: Any) -> int:
        data = body.get("data") if isinstance(body, dict) else None
        blocks = data if isinstance(data, list) else ()
        return sum(len(one.get("object") or ()) for one in blocks if isinstance(one, dict)) or int(data is not None)

    def _entered(self, request: Request, merchant: str | None) -> Record:
        entry = super()._entered(request, merchant)
        entry["key"] = request.header(b"idempotency-key")
        if isinstance(entry["body"], dict) and "password" in entry["body"]:
            entry["body"] = {**entry["body"], "password": "..."}
        self.entry = entry
        return entry

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        try:
            body = request.json_object()
        except BadJson:
            return None
        named = next((self.merchants[id] for id, one in self.accounts.items() if self._is_of(one, request, body)), None)
        if named is None and request.path.removeprefix(MOVED) in (DATA, EVENT):
            self.findings.append({"what": "unknown_uuid", "merchant": None, "seq": self.sequence + 1})
        return named

    def _is_of(self, account: Account, request: Request, body: Record) -> bool:
        match request.path.removeprefix(MOVED):
            case "/api/authenticate":
                pair = (body.get("username"), body.get("password"))
                return bool(pair == (account.username, account.password) and account.username)
            case "/api/endpoints/get":
                return _site(body.get("store_url")) == _site(account.domain)
        uuid = body.get("uuid")
        # A uuid that nobody was given yet is a uuid all the same: whoever names it has it from elsewhere.
        return isinstance(uuid, str) and uuid in (*account.given, account.uuid())

    def refuse(self, request: Request, switches: Record) -> Answer:
        if not request.body or request.method != "POST":
            return self.denied(request, 404)
        try:
            request.json_object()
        except BadJson:
            return self.bad_json(request)
        match request.path.removeprefix(MOVED):
            case "/api/authenticate":
                how = switches["bad_credentials"]
                if how == "login_page":
                    return Answer(200, LOGIN_PAGE, HTML)
                return said(200 if how == "200_message" else int(how), "Wrong username or password.")
            case "/api/endpoints/get":
                return json_answer({"success": 0, "data": []})
            case "/api/data" | "/api/event":
                return self._no_uuid(switches)
        return self.denied(request, 404)

    def _no_uuid(self, switches: Record) -> Answer:
        how = switches["bad_uuid"]
        if how == "200_no_message":
            return json_answer({"data": []})
        return said(int(how), "The uuid is not valid.")

    def denied(self, request: Request, status: int) -> Answer:
        words = {400: "Invalid data.", 401: "Unauthorized.", 404: "Not found.", 429: "Too many requests."}
        return said(status, words.get(status, "Internal server error." if status >= 500 else "It cannot be done."))

    def bad_json(self, request: Request) -> Answer:
        return said(400, "The body could not be read.")

    # The calls.

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        account = self.accounts[merchant.id]
        account.remind()
        how = switches["rate_limit"]
        if self.limited(merchant, RATE_LIMITED_EVERY if how != "off" else None):
            answer = self.denied(request, 429)
            answer.headers += [(b"retry-after", b"1")] if how == "429_retry_after" else []
            return answer
        path = request.path.removeprefix(MOVED)
        if request.method != "POST" or path not in (AUTHENTICATE, DATA, EVENT, ENDPOINTS):
            return self.denied(request, 404)
        if switches["endpoints_answer"] == "moved" and path == request.path and path != ENDPOINTS:
            return Answer(404, OTHER_PAGE, HTML)
        call = Call(request.seq, self.entry, request.header(b"idempotency-key"), self.clock.now())
        body = request.json_object()
        if path == ENDPOINTS:
            return json_answer(answers.endpoints(request, switches["endpoints_answer"]))
        if path == AUTHENTICATE:
            return self._authenticate(account, body, call, switches)
        if account.registered is None:
            self.find("call_before_registration", merchant, request)
            return self._no_uuid(switches)
        try:
            if path == DATA:
                return self._data(account, request, body, call, switches)
            return self._event(account, body, call, switches)
        except Bad as bad:
            self.entry["refused"] = True  # whatever its status says
            return answers.refusal(str(switches["refusal"]), str(bad))

    def _authenticate(self, account: Account, body: Record, call: Call, switches: Record) -> Answer:
        if _site(body.get("domain")) != _site(account.domain):
            return said(400, "The domain is not valid.")
        how = switches["auth_again"] if account.registered is not None else None
        if how == 409:
            account.registrations.append({"seq": call.seq, "entry": call.entry})
            return said(409, "The domain is registered already.")
        uuid = account.register(call, anew=how == "new_uuid")
        return json_answer({"message": "The domain is registered.", "uuid": uuid}, int(switches["success_status"]))

    def _data(self, account: Account, request: Request, body: Record, call: Call, switches: Record) -> Answer:
        if len(request.body) > int(switches["max_bytes"]):
            return answers.too_large(switches)
        rules, good = forms.rules_of(switches), []
        listed = list(forms.items_of(body.get("data"), switches))
        if len(listed) > int(switches["max_records"]):
            return answers.too_large(switches)
        call.by = MASS
        for block in dict.fromkeys(block for block, _ in listed):
            account.begin_block(block, call)
        for block, item in listed:
            try:
                good.append((block, forms.checked_item(block, item, rules), item))
            except Bad:
                if switches["bad_item"] == "whole_refused":
                    self._note_refused(account, listed)
                    raise
        for block, id, item in good:
            account.take(block, id, item, call, switches)
        return answers.taken(switches)

    def _note_refused(self, account: Account, listed: list[tuple[str, Any]]) -> None:
        """Keep which records were refused alone: they may come again later, and nothing is late of that."""
        if len(listed) == 1:
            try:
                account.refused.add((listed[0][0], id_of(*listed[0])))
            except (KeyError, TypeError):
                return

    def _event(self, account: Account, body: Record, call: Call, switches: Record) -> Answer:
        event, rules = body.get("event"), forms.rules_of(switches)
        if event == "ProductoutOfStock":  # the guide's own list spells it so
            event = "ProductOutOfStock"
        data = forms.checked_event(event, body.get("data"), rules)
        if event == "Uninstall":
            account.uninstall()
        else:
            account.happen(str(event), data, call, switches)
        return answers.taken(switches)

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        account = self.accounts[merchant.id]
        facts = account.facts
        if name == "give_out":
            return {"uuid": account.give_out()}
        if name == "shop":
            given = {address_of(one) for one in body.get("consents") or ()}
            facts.consents = given if "consents" in body else facts.consents
            facts.consents |= {address_of(one) for one in body.get("consent") or ()}
            facts.consents -= {address_of(one) for one in body.get("withdrawn") or ()}
            if "history" in body:
                facts.history = {block: {str(id) for id in ids} for block, ids in body["history"].items()}
            facts.aliases |= {str(alias): str(id) for alias, id in (body.get("aliases") or {}).items()}
            facts.silent = bool(body.get("silent", facts.silent))
            return {"consents": sorted(facts.consents), "silent": facts.silent}
        raise NoSuchRecord(name)

    def report(self, name: str, merchant: str | None) -> Any:
        if name in ("violations", "findings"):
            late = [one for account in self.accounts.values() for one in account.late_findings()]
            found = sorted([*self.findings, *late], key=lambda one: one["seq"])
            return [one for one in found if merchant is None or one["merchant"] in (None, merchant)]
        return super().report(name, merchant)

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        for merchant in merchants:
            self.accounts[merchant.id].remind()
        if name == "known":
            known = {m.id: self.accounts[m.id].shown() for m in merchants}
            return known[merchants[0].id] if len(merchants) == 1 else known
        if name == "messages":
            return [{"merchant": m.id, **one} for m in merchants for one in self.accounts[m.id].messages]
        raise NoSuchRecord(name)

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return [kept.shown(id) for id, kept in self.accounts[merchant.id].records[kind].items()]

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        kept = self.accounts[merchant.id].records[kind].get(id)
        if kept is None:
            raise NoSuchRecord(f"{kind} {id}")
        return kept.shown(id)

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        raise NoSuchRecord(f"{kind}: nobody adds records here but by the API")

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        raise NoSuchRecord(f"{kind}: nobody changes records here but by the API")

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        if self.accounts[merchant.id].records[kind].pop(id, None) is None:
            raise NoSuchRecord(f"{kind} {id}")


def _site(url: Any) -> str:
    return str(url or "").strip().lower().rstrip("/")
