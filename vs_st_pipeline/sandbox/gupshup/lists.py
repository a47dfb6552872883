"""Answers the reads of an account: its templates, its users, its balance; notes what the reader then knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, json_answer
from vs_st_pipeline.sandbox.gupshup.account import OUT, Account
from vs_st_pipeline.sandbox.gupshup.told import Told

PAGE = 10
Read = Callable[[Account, Mapping[str, str], Record, bool], Record | None]
"""Account, query, switches, and whether the answer arrives; None is 404."""


def templates(account: Account, query: Mapping[str, str], switches: Record, arrives: bool) -> Record | None:
    """Return the list of templates; under `pages_of_10` by `pageNo` (from 1) and `pageSize`."""
    how = switches["template_list"]
    if how == 404:
        return None
    everything = list(account.templates.values()) if how != "empty" else []
    listed = [one for one in everything if one.status != "DELETED"]
    seen = everything
    if how == "pages_of_10":
        size = min(_number(query.get("pageSize"), PAGE), PAGE)
        first = (max(_number(query.get("pageNo"), 1), 1) - 1) * size
        seen = listed = listed[first : first + size]
    if arrives:
        for one in seen:
            one.known = True
    return {"status": "success", "templates": [one.shown(switches["template_case"]) for one in listed]}


def users(account: Account, query: Mapping[str, str], switches: Record, arrives: bool) -> Record | None:
    """Return who has opted in or out."""
    if switches["users_list"] == 404:
        return None
    now, rows = int(account.clock.now().timestamp() * 1000), []
    for phone, status in account.users.items():
        code = "1" if phone.startswith("1") else phone[:2]
        rows.append(
            {
                "countryCode": code,
                "phoneCode": phone[len(code) :],
                "optinStatus": status,
                "optinSource": "URL",
                "optinTimeStamp": now,
                "lastMessageTimeStamp": 0,
            }
        )
        if status == OUT and arrives:
            account.outs.setdefault(phone, []).append(Told(account.id, "listed", {}, taken_at=time.time()))
    return {"status": "success", "users": rows}


def wallet(switches: Record) -> Answer:
    """Return the balance: none, where the switch says so."""
    balance = 250 if switches["wallet"] == "full" else 0
    shown = {"currency": "USD", "currentBalance": balance, "overDraftLimit": 0}
    return json_answer({"status": "success", "walletResponse": shown})


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() else otherwise
