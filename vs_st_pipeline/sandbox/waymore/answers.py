"""Writes WayMore's answers, each as its switch says."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer

AUTHENTICATE, DATA, EVENT, ENDPOINTS = "/api/authenticate", "/api/data", "/api/event", "/api/endpoints/get"
MOVED = "/moved"
"""Stands before the paths of the three calls where they have moved."""
CUT = 0
"""The status of an answer that never comes: the connection is cut."""


def said(status: int, text: str, **more: Any) -> Answer:
    """Return a JSON answer with a message."""
    return json_answer({"message": text, **more}, status)


def taken(switches: Record) -> Answer:
    """Return the acknowledgement of a part or an event."""
    status = int(switches["success_status"])
    match switches["success_body"]:
        case "empty":
            return Answer(status)
        case "text":
            return Answer(status, b"OK", b"text/plain; charset=utf-8")
        case "json_no_message":
            return json_answer({"received": 1}, status)
        case "message_and_success_1":
            return said(status, "The data was received.", success=1)
    return said(status, "The data was received.")


def refusal(how: str, why: str) -> Answer:
    """Return the answer to data that is not valid."""
    if how == "400_empty":
        return Answer(400)
    if how == "200_error":
        return said(200, "The data was not saved.", error=why)
    return said(422 if how == "422" else 400, f"The data is not valid: {why}")


def too_large(switches: Record) -> Answer:
    """Return the answer to a request that is too large."""
    how = switches["too_large"]
    return Answer(CUT) if how == "reset" else said(int(how), "The data is too large.")


def endpoints(request: Request, how: str) -> Record:
    """Return where the three calls go, or say that they do."""
    host = request.header(b"host") or "127.0.0.1"
    base = {
        "foreign_host": "https://elsewhere.example",
        "http": "http://idata.routee.net",
        "moved": f"{request.scope.get('scheme', 'http')}://{host}{MOVED}",
    }.get(how, f"{request.scope.get('scheme', 'http')}://{host}")
    urls = {"auth": base + AUTHENTICATE, "data": base + DATA, "event": base + EVENT, "logs": base + "/api/logs"}
    return {"success": 1, "data": [{"type": type, "url": url} for type, url in urls.items()]}
