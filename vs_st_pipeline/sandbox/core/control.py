"""Answers a stand-in's control API, under /__control__/: switches, journal, records, hooks, deliveries, and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vs_st_pipeline.sandbox.core.asgi import Answer, BadJson, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.switches import SWITCHES

if TYPE_CHECKING:
    from vs_st_pipeline.sandbox.core.server import StandIn
    from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant


class Wrong(Exception):
    """The control request makes no sense; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def answer(server: StandIn, request: Request) -> Answer:
    """Answer one control request; there is no key, because the server listens on loopback only."""
    from vs_st_pipeline.sandbox.core.server import NoSuchRecord

    try:
        return json_answer(_routed(server, request))
    except Wrong as error:
        return json_answer({"error": str(error)}, error.status)
    except NoSuchRecord as error:
        return json_answer({"error": f"not found: {error}"}, 404)
    except BadJson:
        return json_answer({"error": "the body is no JSON"}, 400)
    except (ValueError, KeyError) as error:
        return json_answer({"error": str(error)}, 400)


def _routed(server: StandIn, request: Request) -> Any:
    what, *rest = request.parts[1:] or [""]
    if not what:
        raise Wrong(
            "name what is asked, such as /__control__/switches; docs/development.md lists it for each stand-in", 404
        )
    merchant_id = request.query.get("merchant")
    key = (request.method, what)
    if key == ("GET", "health"):
        return {"system": server.system, "merchants": list(server.merchants)}
    if key == ("GET", "merchants"):
        return [server.introduced(merchant) for merchant in server.merchants.values()]
    if what == "switches":
        return _switches(server, request, merchant_id)
    if what == "journal":
        return _journal(server, request, rest, merchant_id)
    if what == "records":
        return _records(server, request, rest, merchant_id)
    if what == "hooks":
        return _hooks(server, request)
    if key == ("POST", "reset"):
        server.reset()
        return {}
    if key == ("POST", "renew"):
        server.renewed.renew(request.json_object())
        return {}
    if key == ("POST", "stop"):
        server.stop()
        return {}
    if key == ("POST", "webhooks") and rest == ["send"]:
        body = request.json_object()
        return {"calls": server.send_webhooks(_one(server, merchant_id), body.get("events") or [body])}
    if key == ("GET", "deliveries"):
        return server.sender.deliveries(merchant_id, request.query.get("webhook"))
    if request.method == "GET":
        return server.report(what, merchant_id)
    if request.method == "POST" and what in server.acts:
        return server.act(_one(server, merchant_id), "/".join((what, *rest)), request.json_object())
    raise Wrong(f"no {request.method} {request.path}", 404)


def _one(server: StandIn, merchant_id: str | None) -> Merchant:
    if merchant_id is None:
        if len(server.merchants) == 1:
            return next(iter(server.merchants.values()))
        raise Wrong("say which merchant: ?merchant=ID")
    if merchant_id not in server.merchants:
        raise Wrong(f"no merchant {merchant_id!r}", 404)
    return server.merchants[merchant_id]


def _switches(server: StandIn, request: Request, merchant_id: str | None) -> Any:
    if request.method == "PUT":
        server.set_switches(request.json_object(), merchant_id)
    elif request.method != "GET":
        raise Wrong("GET or PUT", 405)
    return {"switches": server.switches.of(merchant_id), "values": SWITCHES[server.system]}


def _journal(server: StandIn, request: Request, rest: list[str], merchant_id: str | None) -> Any:
    if request.method == "POST" and rest == ["clear"]:
        server.clear_journal()
        return {}
    since = int(request.query.get("since", 0))
    return [
        entry
        for entry in server.journal
        if entry["seq"] > since and (merchant_id is None or entry["merchant"] == merchant_id)
    ]


def _records(server: StandIn, request: Request, rest: list[str], merchant_id: str | None) -> Any:
    merchant = _one(server, merchant_id)
    if not rest or rest[0] not in server.kinds:
        raise Wrong(f"records are {', '.join(server.kinds)}", 404)
    kind = rest[0]
    if request.method == "GET":
        return server.record(merchant, kind, rest[1]) if rest[1:] else server.records(merchant, kind)
    ops = {"POST": "add", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
    change: Record = {"kind": kind, "op": ops[request.method], "touch": request.query.get("touch") != "false"}
    if request.method != "DELETE":
        change["fields"] = request.json_object()
    if request.method != "POST":
        if not rest[1:]:
            raise Wrong("say which record")
        change["id"] = rest[1]
    return server.apply_change(merchant, change) or {}


def _hooks(server: StandIn, request: Request) -> Any:
    from vs_st_pipeline.sandbox.core.server import Hook

    if request.method == "POST":
        hook = Hook(request.json_object())
        unknown = [change for change in hook.changes if change.get("kind") not in server.kinds]
        if unknown:
            raise Wrong(f"hook changes need a kind of {', '.join(server.kinds)}")
        server.hooks.append(hook)
    elif request.method == "DELETE":
        server.hooks.clear()
    return [{**hook.fields, "left": hook.left} for hook in server.hooks]
