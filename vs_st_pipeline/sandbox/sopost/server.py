"""Answers as SoPost does: run as `python -m vs_st_pipeline.sandbox.sopost`."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn
from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.faults import LOGIN_PAGE, redirect_to_login
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.sopost.events import UNREGISTERED, calls_of
from vs_st_pipeline.sandbox.sopost.hooks import FIXED_HEADER, SIGNATURE_HEADER
from vs_st_pipeline.sandbox.sopost.orders import Brand

RATE_LIMITED_EVERY = 7
TOKEN_PATH = "/oauth/token"
ORDER = Kind("order", "id", "short_id", None)


def said(status: int, text: str) -> Answer:
    """Return an error body; how SoPost writes one is not known."""
    return json_answer({"message": text}, status)


class SoPost(AccountStandIn):
    """Answers /orders and /webhooks for several brands, each by its own key."""

    system = "sopost"
    kinds = ("orders",)
    acts = ("clock", "orders", "expire")
    paths = ((r"/orders/[^/]+", "/orders/{id}"),)

    def accounts_opened(self) -> None:
        self.brands = {m.id: Brand(m, self.part(m), self.clock) for m in self.merchants.values()}
        self.tokens: dict[str, str] = {}

    def keys_of(self, merchant: Merchant) -> Record:
        id = merchant.id
        return {
            "token": f"sopost-key-of-{id}",
            "user": f"sopost-user-of-{id}",
            "password": f"sopost-password-of-{id}",
            "client_id": f"sopost-client-of-{id}",
            "client_secret": f"sopost-secret-of-{id}",
            "signing_secret": f"sopost-signing-secret-of-{id}",
            "signature_header": SIGNATURE_HEADER,
            "header": FIXED_HEADER,
            "header_value": f"sopost-header-of-{id}",
            "organisation": self.brands[id].organisation,
            "campaigns": list(self.brands[id].campaigns),
        }

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        return next((m for m in self.merchants.values() if self._is_key_of(m, request)), None)

    def _is_key_of(self, merchant: Merchant, request: Request) -> bool:
        keys, how = self.keys_of(merchant), self.switches.of(merchant.id)["auth"]
        given = (request.authorization or b"").decode("latin-1")
        if request.path == TOKEN_PATH:
            form = parse_qs(request.body.decode("utf-8", "replace"))
            pair = [form.get("client_id", [""])[0], form.get("client_secret", [""])[0]]
            return bool(how == "client_credentials" and pair == [keys["client_id"], keys["client_secret"]])
        if how == "header":
            return bool(request.header(b"x-api-key") == keys["token"])
        if how == "basic":
            pair_text = f"{keys['user']}:{keys['password']}"
            return given == "Basic " + base64.b64encode(pair_text.encode()).decode()
        if how == "client_credentials":
            return bool(self.tokens.get(given.removeprefix("Bearer ")) == merchant.id)
        return given == f"Bearer {keys['token']}"

    def refuse(self, request: Request, switches: Record) -> Answer:
        if request.path == TOKEN_PATH:
            return json_answer({"error": "invalid_client"}, 401)
        how = switches["bad_credentials"]
        if how == 302:
            return redirect_to_login()
        if how == "login_page":
            return Answer(200, LOGIN_PAGE, HTML)
        return self.denied(request, int(how))

    def denied(self, request: Request, status: int) -> Answer:
        words = {
            401: "Unauthenticated.",
            403: "This action is unauthorized.",
            404: "Not found.",
            429: "Too many calls.",
        }
        return said(status, words.get(status, "Server error." if status >= 500 else "The request is not valid."))

    def bad_json(self, request: Request) -> Answer:
        return said(400, "The body could not be read.")

    def kind_of(self, request: Request) -> Kind | None:
        return ORDER if request.method == "GET" and request.parts[0] == "orders" else None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        ids = list(self.brands[merchant.id].orders)
        if request.parts[-1].lower() not in ids or len(ids) < 2:
            return None
        return "/orders/" + quote(ids[ids.index(request.parts[-1].lower()) - 1], safe="")

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        how = switches["rate_limit"]
        if self.limited(merchant, RATE_LIMITED_EVERY if how != "off" else None):
            answer = self.denied(request, 429)
            answer.headers += [(b"retry-after", b"1")] if how == "429_retry_after" else []
            return answer
        match request.method, request.parts:
            case "POST", ["oauth", "token"]:
                token = secrets.token_hex(20)
                self.tokens[token] = merchant.id
                return json_answer({"access_token": token, "token_type": "Bearer", "expires_in": 3600})
            case "POST", ["webhooks"]:
                return self._register(request, merchant, switches)
            case "GET", ["orders", id]:
                return self._order(request, id, merchant, switches)
        known = request.parts[0] in ("orders", "webhooks")
        return said(405, "The method is not supported for this route.") if known else self.denied(request, 404)

    def _order(self, request: Request, key: str, merchant: Merchant, switches: Record) -> Answer:
        brand = self.brands[merchant.id]
        self._tell(merchant)
        id = brand.find(key)
        if id is None:
            owner = next((m for m, other in self.brands.items() if other.find(key)), None)
            if owner is None:
                return self.denied(request, 404)
            self.find("other_merchants_record", merchant, request, order_id=key, owner=owner)
            return self.denied(request, int(switches["hidden_order"]))
        if id in brand.hidden:
            return self.denied(request, int(switches["hidden_order"]))
        brand.reads[id] = brand.reads.get(id, 0) + 1
        if brand.reads[id] <= int(switches["order_lag_404"]):
            return self.denied(request, 404)
        return json_answer(brand.shown(id, switches))

    # Webhooks.

    def _register(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        form, brand = request.json_object(), self.brands[merchant.id]
        wrong = {
            "url": not str(form.get("url") or "").startswith(("http://", "https://")),
            "events": form.get("events") != ["OrderEvent"],
            "entity_type": form.get("entity_type") not in ("Organisation", "Campaign"),
        }
        if any(wrong.values()):
            errors = {name: ["is not valid"] for name, bad in wrong.items() if bad}
            return json_answer({"message": "The given data was invalid.", "errors": errors}, 422)
        entity = form.get("entity_id")
        known = [brand.organisation] if form["entity_type"] == "Organisation" else list(brand.campaigns)
        if entity not in known:
            if any(entity in (other.organisation, *other.campaigns) for other in self.brands.values()):
                self.find("other_merchants_record", merchant, request, entity_id=entity)
            return self.denied(request, 404)
        record = {name: form[name] for name in ("url", "events", "entity_type", "entity_id")}
        how = switches["webhook_create"]
        if how == 409 and any({**known, "id": None} == {**record, "id": None} for known in brand.registered.values()):
            return said(409, "There is such a webhook already.")
        id = f"{merchant.account:08x}-0000-4000-b000-{len(brand.registered) + 1:012x}"
        brand.registered[id] = {"id": id, **record}
        return json_answer(brand.registered[id], 200 if how == 200 else 201)

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        keys = self.keys_of(merchant)
        return self.sender.put(calls_of(events, self.brands[merchant.id], self.switches.of(merchant.id), keys))

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return webhook.startswith(UNREGISTERED) or webhook in self.brands[merchant].registered

    def unregister(self, merchant: str, webhook: str) -> None:
        self.brands[merchant].registered.pop(webhook, None)

    def _tell(self, merchant: Merchant) -> None:
        """Tell of what has happened since the start, where that is done by itself."""
        brand = self.brands[merchant.id]
        brand.ripen()
        if brand.registered and self.switches.of(merchant.id)["auto_webhooks"] == "on":
            self.happened(merchant, brand.unsent(of_the_world=False))

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        done = self._acted(merchant, name, body)
        self._tell(merchant)
        return done

    def _acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        brand = self.brands[merchant.id]
        if name == "orders/create":
            after = float(self.switches.of(merchant.id)["approve_after"])
            return brand.create({key: value for key, value in body.items() if key != "order_id"}, after)
        if name == "expire":
            self.tokens = {token: owner for token, owner in self.tokens.items() if owner != merchant.id}
            return {}
        id = self._known(brand, str(body["order_id"]))
        match name:
            case "orders/set_status":
                return brand.set_status(id, str(body["status"]))
            case "orders/advance":
                return brand.advance(id)
            case "orders/set_consents":
                return brand.change(id, {"consents": body["consents"]})
            case "orders/hide":
                (brand.hidden.discard if body.get("hidden") is False else brand.hidden.add)(id)
                return {"hidden": sorted(brand.hidden)}
        raise NoSuchRecord(name)

    def _known(self, brand: Brand, id: str) -> str:
        found = brand.find(id)
        if found is None:
            raise NoSuchRecord(f"orders {id}")
        return found

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        ids = [merchant.id for merchant in merchants]
        if name == "webhooks":
            return [{"merchant": id, **hook} for id in ids for hook in self.brands[id].registered.values()]
        if name == "reasons":
            return {m.id: self.part(m).get("reasons") or [] for m in merchants}
        if name == "reads":
            return {id: self.brands[id].reads for id in ids}
        if name == "consents":
            return [{"merchant": id, **row} for id in ids for row in self.brands[id].consents()]
        raise NoSuchRecord(name)

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return list(self.brands[merchant.id].orders.values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        return self.brands[merchant.id].orders[self._known(self.brands[merchant.id], id)]

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        made: Record = self.acted(merchant, "orders/create", fields)
        return made

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        brand = self.brands[merchant.id]
        changed = brand.change(self._known(brand, id), fields, replace)
        self._tell(merchant)
        return changed

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        brand = self.brands[merchant.id]
        brand.past.append(brand.orders.pop(self._known(brand, id)))
