"""Answers as Eshopbox does: run as `python -m vs_st_pipeline.sandbox.eshopbox`.

One address stands for its three hosts: the workspaces' own are below `/w/{workspace}`, and the token endpoint is
`/api/v1/generateToken`.

It is long because all calls of one system, and what each says under which switch, are one page.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn
from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, BadJson, Record, Request, json_answer, loads
from vs_st_pipeline.sandbox.core.faults import LOGIN_PAGE
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.eshopbox import shown
from vs_st_pipeline.sandbox.eshopbox.hooks import HEADER, HOOK, calls_of
from vs_st_pipeline.sandbox.eshopbox.resolution import judged
from vs_st_pipeline.sandbox.eshopbox.workspace import NoSuchParcel, Workspace, failures
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

TOKEN_PATH, RESOLUTION_PATH = "/api/v1/generateToken", "/api/v2/ndrResolution"
LIST_PATH, TRACKING_PATH = "/api/v1/orders/erp", "/api/v1/shipping/trackingDetails"
SECRETS = ("client_id", "client_secret", "refresh_token")
TOKEN_EVERY = 60.0  # seconds between two tokens of a workspace
A_DAY = 86_400.0
PAGE, MOST_ON_A_PAGE = 25, 100
MOST_TRACKED = 20
DETAIL = Kind("order", "id", "customerOrderNumber", None, ("shippingAddress", "items", "orderDate", "paymentType"))
ROWS = Kind("orders", "objectID", "customerOrderNumber", "orders", ("orderDate", "updatedAt"))
TRACKED = Kind("tracking", "trackingId", "courierName", "data")
DONE, REFUSED = "submitted", "refused"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?")


def said(status: int, text: str) -> Answer:
    """Return an error body; how Eshopbox writes one is not known."""
    return json_answer({"status": "error", "message": text}, status)


class Eshopbox(AccountStandIn):
    """Answers for several workspaces, each by its own tokens.

    Attributes:
        hooks_at: told once, and kept over a reset: where a workspace's hooks go, {url, header_value, tries}.
        resolutions: the calls of ndrResolution as the journal has them, with what they did.
    """

    system = "eshopbox"
    kinds = ("orders",)
    acts = ("clock", "order", "advance", "hooks_at", "send_hooks", "take_hooks", "expire")
    paths = ((r"/api/order/[^/]+", "/api/order/{number}"), (r"/w/[^/]+(/.*)", "/w/{workspace}"))

    def accounts_opened(self) -> None:
        if not hasattr(self, "hooks_at"):
            self.hooks_at: dict[str, Record] = {}
        self.spaces = {m.id: Workspace(m, self.part(m), self.clock) for m in self.merchants.values()}
        self.tokens: dict[str, tuple[str, datetime]] = {}  # token -> merchant, its end
        self.tokens_asked: dict[str, list[tuple[int, datetime]]] = {id: [] for id in self.merchants}
        self.resolutions: list[Record] = []

    def keys_of(self, merchant: Merchant) -> Record:
        id = merchant.id
        return {
            "workspace": self.spaces[id].slug,
            "client_id": f"eshopbox-client-of-{id}",
            "client_secret": f"eshopbox-secret-of-{id}",
            "refresh_token": f"eshopbox-refresh-of-{id}",
            "header": HEADER,
            "header_value": f"eshopbox-hook-key-of-{id}",
        }

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        if request.path == TOKEN_PATH:
            given = _object(request)
            return next(
                (m for m in self.merchants.values() if all(given.get(n) == self.keys_of(m)[n] for n in SECRETS)), None
            )
        found = self.tokens.get((request.authorization or b"").decode("latin-1").removeprefix("Bearer "))
        return self.merchants[found[0]] if found and found[1] > self.clock.now() else None

    def refuse(self, request: Request, switches: Record) -> Answer:
        if request.path != TOKEN_PATH:
            return self.denied(request, 401)
        # Whose secret it may have been is told by the client id alone, and so is which switches count.
        named = _object(request).get("client_id")
        owner = next((id for id, one in self.merchants.items() if self.keys_of(one)["client_id"] == named), None)
        how = self.switches.of(owner)["bad_credentials"]
        if how == "login_page":
            return Answer(200, LOGIN_PAGE, HTML)
        return json_answer(
            {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}, int(how)
        )

    def denied(self, request: Request, status: int) -> Answer:
        words = {401: "Unauthorized", 403: "Forbidden", 404: "Not found", 429: "Too many requests"}
        return said(status, words.get(status, "Server error" if status >= 500 else "Bad request"))

    def bad_json(self, request: Request) -> Answer:
        return said(400, "The body could not be read.")

    # Answers.

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        space = self.spaces[merchant.id]
        path, parts = request.path, request.parts
        if path == TOKEN_PATH:
            return self._token(request, merchant, switches) if request.method == "POST" else self.denied(request, 405)
        if parts[:2] == ["api", "order"] and len(parts) == 3 and request.method == "GET":
            order = space.orders.get(parts[2])
            return self.denied(request, 404) if order is None else json_answer(shown.detail(space, order, switches))
        if path == RESOLUTION_PATH and request.method == "POST":
            return self._resolution(request, space, switches)
        if parts[0] == "w" and len(parts) > 2 and request.method == "GET":
            if parts[1] != space.slug:
                self.find("other_workspace", merchant, request, workspace=parts[1])
                return self.denied(request, 403)
            match "/" + "/".join(parts[2:]):
                case "/api/v1/orders/erp":
                    return json_answer(_page(space, request.query, switches))
                case "/api/v1/shipping/trackingDetails":
                    return self._tracking(request, space, switches)
        return self.denied(request, 404)

    def _token(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        if request.json_object().get("grant_type") != "refresh_token":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        now, asked = self.clock.now(), self.tokens_asked[merchant.id]
        before = [at for seq, at in asked if seq != request.seq]
        if switches["token_rate_limit"] and before and (now - before[-1]).total_seconds() < TOKEN_EVERY:
            return self.denied(request, 429)
        life = switches["token_life"]
        token = secrets.token_hex(24)
        seconds = A_DAY if life == "missing" else float(life)
        self.tokens[token] = (merchant.id, datetime.fromtimestamp(now.timestamp() + seconds, now.tzinfo))
        told: Record = {
            "access_token": token,
            "id_token": secrets.token_hex(8),
            "scope": "openid",
            "token_type": "Bearer",
        }
        return json_answer(told if life == "missing" else {**told, "expires_in": int(life)})

    def _tracking(self, request: Request, space: Workspace, switches: Record) -> Answer:
        asked = [one for one in request.query.get("trackingIds", "").split(",") if one]
        if not asked or len(asked) > MOST_TRACKED:
            return said(400, f"trackingIds: 1 to {MOST_TRACKED}")
        there = {one["trackingId"]: one for _, one in space.parcels() if one.get("trackingId")}
        return json_answer({"data": [shown.tracking(there[one], switches) for one in asked if one in there]})

    def _resolution(self, request: Request, space: Workspace, switches: Record) -> Answer:
        body = request.json_object()
        entry = next((one for one in reversed(self.resolutions) if one["seq"] == request.seq), {})
        if switches["ndr_answer"] == "200_error":
            entry["did"] = REFUSED
            return said(200, "The resolution could not be submitted.")
        verdict = judged(body, space, switches)
        if verdict.finding:
            self.find(verdict.finding, space.merchant, request, order=body.get("customerOrderNumber"))
        if verdict.refusal is not None or verdict.order is None or verdict.parcel is None:
            entry |= {"did": REFUSED, "why": verdict.refusal}
            return said(verdict.status, str(verdict.refusal))
        entry["did"] = DONE
        space.resolved(verdict.order, verdict.parcel, str(body["resolutionCode"]), str(switches["ndr_seen"]))
        self._tell(space)
        return json_answer({"status": "success", "message": "Resolution submitted."}, int(switches["ndr_answer"]))

    def kind_of(self, request: Request) -> Kind | None:
        if request.method != "GET":
            return None
        if request.parts[:2] == ["api", "order"]:
            return DETAIL
        if request.parts[0] == "w":
            return (
                ROWS if request.path.endswith(LIST_PATH) else TRACKED if request.path.endswith(TRACKING_PATH) else None
            )
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        numbers = list(self.spaces[merchant.id].orders)
        if request.parts[:2] != ["api", "order"] or request.parts[-1] not in numbers or len(numbers) < 2:
            return None
        return "/api/order/" + quote(numbers[numbers.index(request.parts[-1]) - 1], safe="")

    # The journal.

    def _entered(self, request: Request, merchant: str | None) -> Record:
        entry = super()._entered(request, merchant)
        if request.path == TOKEN_PATH and isinstance(entry["body"], dict):
            entry["body"] = {name: "..." if name in SECRETS else value for name, value in entry["body"].items()}
            if merchant is not None:
                self.tokens_asked[merchant].append((request.seq, self.clock.now()))
        if request.path == RESOLUTION_PATH and merchant is not None:
            entry |= {"did": None, "why": None, "failures": self._failures(merchant, entry["body"])}
            self.resolutions.append(entry)
        return entry

    def _failures(self, merchant: str, body: Any) -> int:
        """Return how often the parcel that a call names had failed when it came: each failure may be answered once."""
        order = (
            self.spaces[merchant].orders.get(str(body.get("customerOrderNumber"))) if isinstance(body, dict) else None
        )
        parcels = order["shipments"].values() if order else ()
        return next((failures(one) for one in parcels if one.get("trackingId") == body.get("trackingId")), 0)

    def _twice(self, merchant: str) -> list[Record]:
        """Return resolutions that may have been taken twice, whatever became of them here: order, code, failure alike.

        One that was refused, and whose client knows it, may be followed by another one.
        """
        found, seen = [], set()
        for entry in self.resolutions:
            if entry["merchant"] != merchant or _refused_for_sure(entry):
                continue
            body = entry["body"] if isinstance(entry["body"], dict) else {}
            order, code = body.get("customerOrderNumber"), body.get("resolutionCode")
            key = (order, body.get("trackingId"), code, entry["failures"])
            if key in seen:
                found.append(
                    {"what": "ndr_twice", "merchant": merchant, "seq": entry["seq"], "order": order, "code": code}
                )
            seen.add(key)
        return found

    def _storms(self, merchant: str) -> list[Record]:
        asked = self.tokens_asked[merchant]
        return [
            {"what": "token_storm", "merchant": merchant, "seq": seq}
            for (_, before), (seq, at) in zip(asked, asked[1:], strict=False)
            if (at - before).total_seconds() < TOKEN_EVERY - 1  # a moment passes between its clock and this one
        ]

    # Hooks.

    def _tell(self, space: Workspace) -> None:
        """Send what waits, where that is done by itself."""
        if self.switches.of(space.merchant.id)["auto_webhooks"] == "on":
            self._send(space, space.take_untold(None))

    def _send(self, space: Workspace, events: Sequence[Record]) -> int:
        place = self.hooks_at.get(space.merchant.id)
        if place is None:
            return 0
        return self.sender.put(calls_of(events, space, self.switches.of(space.merchant.id), place))

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        space, told = self.spaces[merchant.id], []
        for event in events:
            order = self._known(space, str(event["order"]))
            usual = {"resource": "shipment", "status": "created", "parcel": next(iter(order["shipments"]), None)}
            told.append({**usual, **event})
        return self._send(space, told)

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return webhook == HOOK and merchant in self.hooks_at

    def unregister(self, merchant: str, webhook: str) -> None:
        self.hooks_at.pop(merchant, None)

    # Control.

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        space = self.spaces[merchant.id]
        try:
            done = self._acted(merchant, space, name, body)
        except NoSuchParcel as error:
            raise NoSuchRecord(str(error)) from None
        self._tell(space)
        return done

    def _acted(self, merchant: Merchant, space: Workspace, name: str, body: Record) -> Any:
        match name:
            case "order":
                return space.order(body)
            case "advance":
                how = {key: value for key, value in body.items() if key not in ("order", "status")}
                return space.advance(str(body["order"]), str(body["status"]), how)
            case "hooks_at":
                self.hooks_at[merchant.id] = body
                return {}
            case "send_hooks":
                return {"calls": self._send(space, space.take_untold(body.get("order")))}
            case "take_hooks":
                place = {"url": "", "header_value": self.keys_of(merchant)["header_value"]}
                told = space.take_untold(body.get("order"))
                calls = calls_of(told, space, self.switches.of(merchant.id), place)
                headers = [one.headers(one.body) if one.headers else {} for one in calls]
                return [{"headers": head, "body": loads(one.body)} for head, one in zip(headers, calls, strict=True)]
            case "expire":
                self.tokens = {token: one for token, one in self.tokens.items() if one[0] != merchant.id}
                return {}
        raise NoSuchRecord(name)

    def report(self, name: str, merchant: str | None) -> Any:
        ids = [merchant] if merchant else list(self.merchants)
        if name == "findings":
            own = [one for one in self.findings if one["merchant"] in ids]
            return own + [one for id in ids for one in (*self._twice(id), *self._storms(id))]
        return super().report(name, merchant)

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        ids = [merchant.id for merchant in merchants]
        if name == "resolutions":
            return [one for one in self.resolutions if one["merchant"] in ids]
        if name == "token_requests":
            return {id: len(self.tokens_asked[id]) for id in ids}
        if name == "untold":
            return [{"merchant": id, **one} for id in ids for one in self.spaces[id].untold]
        if name == "reasons":
            return {m.id: self.part(m).get("reasons") or {} for m in merchants}
        raise NoSuchRecord(name)

    # Records.

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return list(self.spaces[merchant.id].orders.values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        return self._known(self.spaces[merchant.id], id)

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        made: Record = self.acted(merchant, "order", fields)
        return made

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        self._known(self.spaces[merchant.id], id)
        if replace:
            raise ValueError("an order is changed by PATCH")
        return self.spaces[merchant.id].change(id, fields, touch)

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        self._known(self.spaces[merchant.id], id)
        del self.spaces[merchant.id].orders[id]

    def _known(self, space: Workspace, number: str) -> Record:
        try:
            return space.find(number)
        except NoSuchParcel as error:
            raise NoSuchRecord(str(error)) from None


def _refused_for_sure(entry: Record) -> bool:
    status = entry["status"] or 0
    told = entry["did"] == REFUSED and status > 0 and not entry["fault"]
    return bool(entry["did"] != DONE and (400 <= status < 500 or told))


def _page(space: Workspace, query: dict[str, str], switches: Record) -> Record:
    """Return a page of the list: page, size and dates may stand in the query or inside `filters` (W4)."""
    asked = {**dict(parse_qsl(query.get("filters", ""), True)), **query}
    size = min(_number(asked, ("perPage", "per_page", "limit"), PAGE), MOST_ON_A_PAGE)
    page = 1 if switches["list_paging"] == "none" else _number(asked, ("page", "pageNo"), 1)
    dates = [shown.from_local(one, switches) for value in query.values() for one in _DATE.findall(value)]
    since = min((one for one in dates if one is not None), default=None)
    rows = space.listed(None if switches["list_filter"] == "ignored" else since)
    here = rows[(page - 1) * size : page * size]
    return {
        "page": page,
        "perPage": size,
        "total": len(rows),
        "orders": [shown.row(space, one, switches) for one in here],
    }


def _number(asked: dict[str, str], names: Sequence[str], default: int) -> int:
    given = next((asked[name] for name in names if asked.get(name, "").isdigit()), None)
    return max(1, int(given)) if given else default


def _object(request: Request) -> Record:
    try:
        return request.json_object()
    except BadJson:
        return {}
