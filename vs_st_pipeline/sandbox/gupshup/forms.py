"""Reads the form of a call that sends, and says what Gupshup would refuse in it at once."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from vs_st_pipeline.sandbox.core.asgi import BadJson, Record, Request, loads
from vs_st_pipeline.sandbox.gupshup.account import TEMPLATE, Account, digits

FORM = "application/x-www-form-urlencoded"
_NUMBERS = {"digits": r"[1-9]\d{6,14}", "plus": r"\+[1-9]\d{6,14}", "either": r"\+?[1-9]\d{6,14}"}


class Refusal(Exception):
    """A call that is answered by an error: the status and Gupshup's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def form_of(request: Request) -> Record:
    """Read a form, and the JSON in its fields; what cannot be read stays text."""
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    form: Record = dict(pairs)
    for name in ("template", "message", "postbackTexts"):
        if name in form:
            try:
                form[name] = loads(form[name])
            except (BadJson, ValueError):
                continue
    return form


def checked(request: Request, form: Record, account: Account, kind: str, switches: Record) -> None:
    """Check what stands in every call that sends. Raises Refusal."""
    if not (request.header(b"content-type") or "").startswith(FORM):
        raise Refusal(415, "Unsupported Media Type")
    if form.get("channel") != "whatsapp":
        raise Refusal(400, "Invalid Channel")
    number = re.compile(_NUMBERS[switches["number_form"]])
    if not number.fullmatch(str(form.get("destination") or "")):
        raise Refusal(400, "Invalid Destination")
    if form.get("src.name") != account.app_name or digits(form.get("source")) != digits(account.number):
        raise Refusal(400, "Invalid App Details")
    if not number.fullmatch(str(form.get("source"))):
        raise Refusal(400, "Invalid Source")
    if kind == TEMPLATE:
        named = form.get("template")
        if not isinstance(named, dict) or not isinstance(named.get("id"), str):
            raise Refusal(400, "Invalid Template")
        if not isinstance(named.get("params", []), list):
            raise Refusal(400, "Invalid Template Params")
        postbacks_of(form)
    else:
        text_of(form)


def postbacks_of(form: Record) -> dict[int, str]:
    """Return the postback texts by the button's index. Raises Refusal."""
    listed: Any = form.get("postbackTexts", [])
    try:
        found = {int(one["index"]): str(one["text"]) for one in listed}
    except (TypeError, KeyError, ValueError):
        raise Refusal(400, "Invalid Postback Texts") from None
    if len(found) != len(listed):
        raise Refusal(400, "Invalid Postback Texts")
    return found


def text_of(form: Record) -> str:
    """Return the text of a session message. Raises Refusal."""
    message = form.get("message")
    if not isinstance(message, dict) or message.get("type") != "text" or not str(message.get("text") or "").strip():
        raise Refusal(400, "Invalid Message")
    return str(message["text"])
