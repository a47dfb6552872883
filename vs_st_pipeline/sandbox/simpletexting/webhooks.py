"""Registers webhooks at a texting account."""

from __future__ import annotations

from collections.abc import Callable

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.core.webhooks import StHooks
from vs_st_pipeline.sandbox.simpletexting.errors import invalid, missing


def answer_webhooks(
    request: Request, rest: list[str], hooks: StHooks, page: Callable[[list[Record]], Answer]
) -> Answer | None:
    """Answer everything below /api/webhooks; None where there is no such call."""
    if rest and rest[0] not in hooks.registered:
        return missing("Webhook is not found", request.path)
    match request.method, rest:
        case "GET", []:
            return page(list(hooks.registered.values()))
        case "DELETE", [id]:
            del hooks.registered[id]
            return Answer(204)
        case ("POST", []) | ("PUT", [_]):
            form = request.json_object()
            if not form.get("url") or not isinstance(form.get("triggers"), list):
                return invalid("url: must not be blank", 400)
            status = 200 if rest else 201
            return json_answer({"id": hooks.register(form, rest[0] if rest else None)}, status)
    return None
