"""Answers for the contact lists of a texting account."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer
from vs_st_pipeline.sandbox.simpletexting.account import Account, now_text
from vs_st_pipeline.sandbox.simpletexting.errors import invalid, missing


def answer_lists(
    request: Request, rest: list[str], account: Account, page: Callable[[list[Record]], Answer]
) -> Answer | None:
    """Answer everything below /api/contact-lists; None where there is no such call."""
    merchant = account.merchant
    found = account.find_list(rest[0]) if rest else None
    if rest and found is None:
        return missing("List is not found", request.path)
    match request.method, rest[1:]:
        case "GET", []:
            return (
                page([_shown(x, account) for x in merchant.lists.values()]) if found is None else _one(found, account)
            )
        case "POST" | "PUT", []:
            name = str(request.json_object().get("name") or "")
            if not name or len(name) > 41:
                return invalid("name: size must be between 1 and 41")
            if found is None:
                id, now = "63" + secrets.token_hex(11), now_text()
                merchant.lists[id] = {"listId": id, "name": name, "created": now, "updated": now}
                return json_answer({"id": id}, 201)
            found.update(name=name, updated=now_text())
            return json_answer({"id": found["listId"]})
        case "DELETE", [] if found is not None:
            del merchant.lists[found["listId"]]
            for contact in merchant.contacts.values():
                contact["lists"] = [entry for entry in contact["lists"] if entry["id"] != found["listId"]]
            account.changed()
            return Answer(204)
        case "POST", ["contacts"] if found is not None:
            return _member(request, found, str(request.json_object().get("contactPhoneOrId")), True, account)
        case "DELETE", ["contacts", key] if found is not None:
            return _member(request, found, key, False, account)
    return None


def _member(request: Request, found: Record, key: str, join: bool, account: Account) -> Answer:
    contact = account.find(key)
    if contact is None:
        return missing("Contact is not found", request.path)
    others = [entry for entry in contact["lists"] if entry["id"] != found["listId"]]
    contact["lists"] = [*others, {"id": found["listId"], "name": found["name"]}] if join else others
    contact["updated"] = now_text()
    account.touched(contact)
    return Answer(200 if join else 204)


def _one(found: Record, account: Account) -> Answer:
    return json_answer(_shown(found, account))


def _shown(found: Record, account: Account) -> Record:
    members = [
        contact["subscriptionStatus"]
        for contact in account.merchant.contacts.values()
        if any(entry["id"] == found["listId"] for entry in contact["lists"])
    ]
    return {
        **found,
        "description": None,
        "totalContactsCount": len(members),
        "activeContactsCount": members.count("OPT_IN"),
        "invalidContactsCount": 0,
        "unsubscribedContactsCount": members.count("OPT_OUT"),
        "keywords": [],
    }
