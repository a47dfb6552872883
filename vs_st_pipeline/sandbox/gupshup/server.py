"""Answers as Gupshup's self-serve WhatsApp API does: run as `python -m vs_st_pipeline.sandbox.gupshup`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, dumps, json_answer
from vs_st_pipeline.sandbox.core.sender import Call
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.gupshup import acts, callbacks, forms, lists, sending
from vs_st_pipeline.sandbox.gupshup.account import TEMPLATE, TEXT, Account, Sent, digits
from vs_st_pipeline.sandbox.gupshup.books import Books
from vs_st_pipeline.sandbox.gupshup.forms import Refusal
from vs_st_pipeline.sandbox.gupshup.judge import Judge
from vs_st_pipeline.sandbox.gupshup.told import Told
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

CALLBACK = "callback"
BEFORE_ANSWER_SECONDS = 2.0
SENDS = {"wa/api/v1/template/msg": TEMPLATE, "wa/api/v1/msg": TEXT}


def said(status: int, text: str) -> Answer:
    """Return an error in Gupshup's words."""
    return json_answer({"status": "error", "message": text}, status)


def by_account(world: Sequence[Merchant]) -> list[Merchant]:
    """Return what stands for the accounts of a world: each once, by its own id, whoever shares it."""
    found: dict[str, Merchant] = {}
    for merchant in world:
        for part in (merchant.parts.get("gupshup") or {}).get("accounts") or ():
            one = Merchant(str(part["id"]), str(part["app_name"]), 0, "", "", "", parts={"gupshup": dict(part)})
            found.setdefault(one.id, one)
    return list(found.values())


class Gupshup(Books):
    """Answers /wa/... and /sm/... for several accounts, each by its own key; what it calls a merchant is an account.

    Attributes:
        urls: where each account's callbacks go; told once, and kept over a reset.
    """

    system = "gupshup"
    acts = ("clock", "callback_url", "receipts", "reply", "opt_in", "opt_out", "allow", "set_template", "flush", "take",
            "tell", "expect_repeat")  # fmt: skip
    paths = (
        (r"/wa/app/[^/]+/template", "/wa/app/{id}/template"),
        (r"/sm/api/v1/users/[^/]+", "/sm/api/v1/users/{app}"),
    )

    def __init__(self, load: Callable[[], list[Merchant]], switches: Record | None = None) -> None:
        self.urls: dict[str, str] = {}
        super().__init__(lambda: by_account(load()), switches)

    def accounts_opened(self) -> None:
        self.open_books()
        self.judge = Judge()

    def keys_of(self, merchant: Merchant) -> Record:
        account = self.accounts[merchant.id]
        names = ("app_name", "app_id", "api_key", "number")
        return {**{name: getattr(account, name) for name in names}, "callback_url": self.urls.get(account.id)}

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        key = request.header(b"apikey")
        own = [one for one in self.accounts.values() if key and one.api_key == key]
        named = self._named(request)
        chosen = next((one for one in own if named in (one.app_name, one.app_id)), own[0] if own else None)
        return self.merchants[chosen.id] if chosen else None

    def _named(self, request: Request) -> str | None:
        """Return the app that a call is about: one key may have several."""
        match request.parts:
            case ["wa", "app", id, *_]:
                return id
            case ["sm", "api", _, "users", name]:
                return name
        return forms.form_of(request).get("src.name") if request.method == "POST" else None

    def refuse(self, request: Request, switches: Record) -> Answer:
        how = switches["bad_key"]
        return said(200 if how == "200_error" else int(how), "Authentication Failed" if how != 403 else "Forbidden")

    def denied(self, request: Request, status: int) -> Answer:
        words = {
            401: "Authentication Failed",
            402: "Insufficient wallet balance",
            403: "Forbidden",
            404: "Not Found",
            429: "Too Many Requests",
        }
        return said(status, words.get(status, "Internal Server Error" if status >= 500 else "Bad Request"))

    def bad_json(self, request: Request) -> Answer:
        return said(400, "Bad Request")

    def _entered(self, request: Request, merchant: str | None) -> Record:
        entry = super()._entered(request, merchant)
        if request.method == "POST" and request.body:
            entry["body"] = forms.form_of(request)
        entry["send"] = None
        return entry

    def _entry(self, request: Request) -> Record | None:
        return next((entry for entry in reversed(self.journal) if entry["seq"] == request.seq), None)

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        wait = next((value for name, value in answer.headers if name == b"retry-after"), None)
        caller = self.caller(request) if answer.status == 429 and wait is not None else None
        if caller is not None and wait is not None and wait.isdigit():
            self.judge.asked_to_wait(caller.id, time.time(), float(wait))
        return answer

    # The calls.

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        account = self.accounts[merchant.id]
        kind = SENDS.get("/".join(request.parts))
        if kind is not None and request.method == "POST":
            return self._send(request, account, kind, switches)
        match request.method, request.parts:
            case "GET", ["wa", "app", id, "template"]:
                return self._of_app(request, account, id) or self._listed(lists.templates, request, account, switches)
            case "GET", ["sm", "api", "v2", "wallet", "balance"]:
                return lists.wallet(switches)
            case "GET", ["sm", "api", "v1", "users", name]:
                return self._of_app(request, account, name) or self._listed(lists.users, request, account, switches)
        return self.denied(request, 405 if kind is not None else 404)

    def _of_app(self, request: Request, account: Account, named: str) -> Answer | None:
        """Return the refusal of a call that names another app than the key's."""
        if named in (account.app_id, account.app_name):
            return None
        self._note_other(request, account, named)
        return said(400, "Invalid App Details")

    def _note_other(self, request: Request, account: Account, named: Any) -> None:
        """Note a call by one account's key that names another account's app."""
        others = (one for one in self.accounts.values() if one.id != account.id)
        owner = next((one.id for one in others if named in (one.app_id, one.app_name, digits(one.number))), None)
        if owner is not None:
            self.find("other_app", self.merchants[account.id], request, owner=owner)

    def _listed(self, read: lists.Read, request: Request, account: Account, switches: Record) -> Answer:
        entry = self._entry(request)
        # A fault may keep the list from its reader, who then knows nothing of it.
        found = read(account, request.query, switches, entry is None or entry["fault"] is None)
        return self.denied(request, 404) if found is None else json_answer(found)

    # Sending.

    def _send(self, request: Request, account: Account, kind: str, switches: Record) -> Answer:
        self._note(account, request, self.judge.arrived(account, request.at))
        form, now = forms.form_of(request), self.clock.now()
        sent = Sent(request.seq, account.id, kind, now, digits(form.get("destination") or ""), arrived=request.at)
        account.sent.append(sent)
        try:
            sent.fails = sending.rate(account, switches)
            forms.checked(request, form, account, kind, switches)
            template = sending.fill(sent, form, account)
            self._note(account, request, self.judge.read(account, sent, template))
            sent.fails = sent.fails or sending.failure(account, sent, template, switches)
            answer = self._taken(request, account, sent, switches)
        except Refusal as refusal:
            sent.refused = str(refusal)
            if str(refusal) == "Invalid App Details":
                for named in dict.fromkeys((form.get("src.name"), digits(form.get("source") or ""))):
                    self._note_other(request, account, named)
            answer = said(refusal.status, str(refusal))
            if refusal.status == 429:
                answer.headers.append((b"retry-after", b"1"))
        entry = self._entry(request)
        if entry is not None:
            entry["send"] = sent.shown()
        return answer

    def _taken(self, request: Request, account: Account, sent: Sent, switches: Record) -> Answer:
        self._note(account, request, self.judge.taken(account, sent))
        types = callbacks.LIFE if sent.fails is None else ("enqueued", "failed")
        found = callbacks.receipts(account, sent, types, switches, code=sent.fails)
        for told in found:
            told.by_itself = True
        self._queue(account, found, switches)
        if switches["receipt_style"] == "before_answer" and account.id in self.urls:
            self._flush(account, switches)
            self._wait(found)
        how = switches["send_answer"]
        status = 200 if how.endswith("_200") else 202
        body = {"status": "success" if how == "success_200" else "submitted", "messageId": sent.message_id}
        if how == "no_id":
            del body["messageId"]
        return json_answer(body, status)

    def _wait(self, found: Sequence[Told]) -> None:
        """Hold the answer until its receipts are through; nobody else is served meanwhile, which is short."""
        until = time.monotonic() + BEFORE_ANSWER_SECONDS
        while time.monotonic() < until and not all(call.log for told in found for call in told.calls):
            time.sleep(0.005)

    def _note(self, account: Account, request: Request, found: Any) -> None:
        for what, details in found:
            self.find(what, self.merchants[account.id], request, **details)

    # Callbacks.

    def _queue(self, account: Account, found: Sequence[Told], switches: Record) -> None:
        account.waiting += found
        if switches["auto_callbacks"] == "on" and account.id in self.urls:
            # A moment later, so that what comes of a call comes after its answer.
            self._flush(account, switches, late=switches["receipt_style"] != "before_answer")

    def _styled(self, account: Account, switches: Record) -> list[Told]:
        batch, account.waiting = account.waiting, []
        return callbacks.styled(batch, str(switches["receipt_style"]))

    def _flush(self, account: Account, switches: Record, late: bool = False) -> int:
        tries = None if switches["callback_retry"] == "until_2xx" else 1
        calls = []
        for told in self._styled(account, switches):
            body = told.body.encode() if isinstance(told.body, str) else dumps(told.body)
            call = Call(account.id, CALLBACK, self.urls[account.id], told.what, body, tries, late=late)
            told.calls.append(call)
            calls.append(call)
        account.calling += calls
        return self.sender.put(calls)

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        return self._flush(self.accounts[merchant.id], self.switches.of(merchant.id))

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return merchant in self.urls

    def unregister(self, merchant: str, webhook: str) -> None:
        self.urls.pop(merchant, None)

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        given = body.get("account")
        if given is not None and given not in self.accounts:
            raise NoSuchRecord(f"account {given}")
        chosen = [self.accounts[given]] if given else list(self.accounts.values())
        match name:
            case "callback_url":
                self.urls[merchant.id if given is None else given] = str(body["url"])
                return {}
            case "flush":
                ready = [one for one in chosen if one.id in self.urls]
                if not ready:
                    raise ValueError("no account has a callback URL: set_callback_url(url, account)")
                before = len(self.sender.deliveries())
                return {"before": before, "calls": sum(self._flush(one, self.switches.of(one.id)) for one in ready)}
            case "take":
                return [self._take(one, told) for one in chosen for told in self._styled(one, self.switches.of(one.id))]
            case "expect_repeat":
                self.judge.forgive(digits(body["phone"]))
                return {}
        account, told, shown = acts.done(name, chosen, body, self.switches.of)
        self._queue(account, told, self.switches.of(account.id))
        return {"account": account.id, **shown, "callbacks": [one.body for one in told]}

    def _take(self, account: Account, told: Told) -> Record:
        told.taken_at = time.time()
        return {"account": account.id, "about": told.what, "body": told.body}
