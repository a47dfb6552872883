"""Does what people and WhatsApp do by themselves: receipts, answers, opting in and out, changes of templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.gupshup import callbacks
from vs_st_pipeline.sandbox.gupshup.account import IN, OUT, TEMPLATE, Account, Sent, digits
from vs_st_pipeline.sandbox.gupshup.judge import word
from vs_st_pipeline.sandbox.gupshup.told import Told

Done = tuple[Account, list[Told], Record]
NOT_FIELDS = ("id", "account")


def done(name: str, chosen: Sequence[Account], body: Record, switches_of: Callable[[str], Record]) -> Done:
    """Do it; return whose account it is, the callbacks that tell of it, and what the control API says.

    Args:
        chosen: the accounts that may be meant: one where it was named, else all.
    """
    if name == "receipts":
        return _receipts(chosen, body, switches_of)
    if name == "set_template":
        return _set_template(chosen, body)
    if name == "tell":
        return chosen[0], [Told(chosen[0].id, "told", body["body"])], {}
    phone = digits(body["phone"])
    if name == "reply":
        return _reply(chosen, phone, body, switches_of)
    if name == "allow":
        for one in chosen:
            one.consents.add(phone)
            one.orders |= {str(number): phone for number in body.get("orders") or ()}
        return chosen[0], [], {}
    account = _account_of(chosen, phone)
    if name not in ("opt_in", "opt_out"):
        raise NoSuchRecord(name)
    told = callbacks.user_event(account, phone, "opted-in" if name == "opt_in" else "opted-out")
    account.users[phone] = IN if name == "opt_in" else OUT
    if name == "opt_in":
        account.outs.pop(phone, None)
    else:
        account.outs.setdefault(phone, []).append(told)
    return account, [told] if switches_of(account.id)["user_events"] == "sent" else [], {}


def _receipts(chosen: Sequence[Account], body: Record, switches_of: Callable[[str], Record]) -> Done:
    account, sent = _message(chosen, str(body["message_id"]))
    types = [str(one) for one in body.get("types") or ()]
    code, reason, at = body.get("code"), body.get("reason"), callbacks.moment(body.get("at"))
    told = callbacks.receipts(account, sent, types, switches_of(account.id), code=code, reason=reason, at=at)
    # What would have become of it by itself does not: somebody says how it goes.
    account.waiting = [one for one in account.waiting if not (one.by_itself and one.of == sent.message_id)]
    return account, told, {}


def _set_template(chosen: Sequence[Account], body: Record) -> Done:
    id = str(body["id"])
    account = next((one for one in chosen if id in one.templates), None)
    if account is None:
        raise NoSuchRecord(f"template {id}")
    template = account.templates[id]
    before = dict(template.fields)
    template.change({name: value for name, value in body.items() if name not in NOT_FIELDS}, account.clock.now())
    told = template.event = callbacks.template_event(account, template, before)
    return account, [told] if told else [], {"id": id, "status": template.status}


def _reply(chosen: Sequence[Account], phone: str, body: Record, switches_of: Callable[[str], Record]) -> Done:
    kind, text, button = str(body["kind"]), body.get("text"), body.get("button")
    to: Sent | None = None
    if body.get("to") is not None:
        account, to = _message(chosen, str(body["to"]))
    else:
        account = _account_of(chosen, phone)
        to = account.last_to(phone, TEMPLATE) if kind == "button" else None
    at = callbacks.moment(body.get("at"))
    more: Record = {name: body[name] for name in ("who", "id") if body.get(name) is not None}
    told = callbacks.reply(
        account, phone, kind, switches_of(account.id), text=text, button=button, to=to, at=at, **more
    )
    account.wrote.setdefault(phone, []).append(at or account.clock.now())
    payload: Any = told.body["payload"]
    said = word(str(payload["payload"].get("text") or payload["payload"].get("title") or ""))
    if said == "stop":
        account.outs.setdefault(phone, []).append(told)
    elif said == "start":
        account.outs.pop(phone, None)
    return account, [told], {"id": payload["id"]}


def _message(chosen: Sequence[Account], id: str) -> tuple[Account, Sent]:
    for account in chosen:
        if (sent := account.message(id)) is not None:
            return account, sent
    raise NoSuchRecord(f"message {id}")


def _account_of(chosen: Sequence[Account], phone: str) -> Account:
    """Return the account that a person means who is at several: the one that wrote last."""
    if len(chosen) == 1:
        return chosen[0]
    last = [(sent.arrived, number) for number, one in enumerate(chosen) if (sent := one.last_to(phone)) is not None]
    if not last:
        raise ValueError("say which account: none has written to that phone")
    return chosen[max(last)[1]]
