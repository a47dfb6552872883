"""Keeps one merchant's HubSpot portal: contacts, their rules, merges and deletions, subscriptions and lists.

It is long because a write, a merge, a deletion and an opt-out act on the same few tables.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, ItemFailed, Lag, is_address, iso, text_of
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED = "SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"
STATES = (SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED)
BASES = (
    "LEGITIMATE_INTEREST_PQL",
    "LEGITIMATE_INTEREST_CLIENT",
    "LEGITIMATE_INTEREST_OTHER",
    "PERFORMANCE_OF_CONTRACT",
    "CONSENT_WITH_NOTICE",
    "NON_GDPR",
    "PROCESS_AND_STORE",
)
LONGEST = 65536
MISTYPED = (".con", ".cmo")  # ends of addresses that are refused though their form is right


def column(name: str, label: str, type: str = "string", field: str = "text", **more: Any) -> Record:
    """Return a property of contacts as the API shows it; `options` are texts, `read_only` and `required` flags."""
    return {
        "name": name,
        "label": label,
        "type": type,
        "fieldType": field,
        "options": [{"label": o.title(), "value": o, "hidden": False} for o in more.get("options", ())],
        "calculated": bool(more.get("calculated")),
        "hubspotDefined": not name.startswith("sopost_"),
        "modificationMetadata": {"readOnlyValue": bool(more.get("read_only") or more.get("calculated"))},
        "archived": False,
        "_required": bool(more.get("required")),
    }


PROPERTIES = (
    column("email", "Email"),
    column("firstname", "First Name"),
    column("lastname", "Last Name", required=True),
    column("phone", "Phone Number", field="phonenumber"),
    column("address", "Street Address"),
    column("city", "City"),
    column("zip", "Postal Code"),
    column("country", "Country/Region"),
    column("birthday", "Birthday", "date", "date"),
    column("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", options=("subscriber", "lead", "customer")),
    column("hs_object_id", "Record ID", "number", "number", read_only=True),
    column("createdate", "Create Date", "datetime", "date", read_only=True),
    column("lastmodifieddate", "Last Modified Date", "datetime", "date", read_only=True),
    column("hs_additional_emails", "Additional email addresses", "enumeration", "checkbox", read_only=True),
    column("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox", read_only=True),
    column("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox", read_only=True),
    column("num_associated_deals", "Number of deals", "number", "calculation_equation", calculated=True),
)


class Portal:
    """The records of one portal, and what the API did to them (`books`)."""

    def __init__(self, merchant: Merchant, part: Record, clock: Clock) -> None:
        self.merchant = merchant
        self.clock = clock
        self.number: int = part.get("portal") or 1000 + merchant.account
        self.contacts: dict[str, Record] = part.setdefault("contacts", {})
        self.properties: dict[str, Record] = {one["name"]: dict(one) for one in PROPERTIES}
        self.properties |= part.get("properties") or {}
        self.definitions: dict[str, Record] = part.get("definitions") or {}
        self.statuses: dict[str, dict[str, Record]] = part.get("statuses") or {}
        self.wide: dict[str, Record] = part.get("wide") or {}
        self.lists: dict[str, Record] = part.get("lists") or {}
        self.members: dict[str, dict[str, Record]] = part.get("members") or {}
        self.blocklist: set[str] = set(part.get("blocklist") or ())
        self.bin: dict[str, Record] = part.get("bin") or {}
        self.merged: dict[str, str] = {}
        self.books: list[Record] = []
        self.told: dict[tuple[str, str], bool] = {}
        """Whether the API last told of an address and a type that it opted out."""
        self.lag = Lag()
        self.changed()

    def changed(self) -> None:
        """Find the addresses of all contacts anew."""
        self._primary: dict[str, str] = {}
        self._other: dict[str, str] = {}
        for id in self.contacts:
            self._index(id)
        self._last = max((int(id) for id in (*self.contacts, *self.bin, *self.merged)), default=self.number * 10**6)

    def _index(self, id: str) -> None:
        values = self.contacts[id]["properties"]
        if values.get("email"):
            self._primary[text_of(values["email"])] = id
        for other in filter(None, str(values.get("hs_additional_emails") or "").split(";")):
            self._other[text_of(other)] = id

    def note(self, what: str, seq: int, **details: Any) -> None:
        """Write into the books."""
        self.books.append({"what": what, "seq": seq, "at": iso(self.clock.now()), **details})

    # Finding.

    def by_id(self, id: str) -> Record | None:
        """Return a contact by its id, or by one that was merged away."""
        while id in self.merged:
            id = self.merged[id]
        return self.contacts.get(id)

    def by_email(self, email: Any, secondary: bool = True) -> Record | None:
        """Return a contact by its address, or by one of its other addresses."""
        id = self._primary.get(text_of(email)) or (self._other.get(text_of(email)) if secondary else None)
        return self.contacts.get(id) if id else None

    # Writing.

    def unknown_properties(self, values: Record) -> list[str]:
        """Return the names that are no properties of the portal."""
        return [name for name in values if name not in self.properties]

    def check(self, values: Record, creating: bool, required: bool) -> None:
        """Refuse values that their properties do not take."""
        if required and creating:
            for name, one in self.properties.items():
                if one["_required"] and not values.get(name):
                    raise _invalid(name, "REQUIRED_PROPERTY_MISSING", f"{name} is required")
        for name, value in values.items():
            one = self.properties[name]
            if one["modificationMetadata"]["readOnlyValue"]:
                raise _invalid(name, "READ_ONLY_VALUE", f"Property {name} is read only")
            if value not in (None, ""):
                _check_value(one, str(value))

    def check_new(self, values: Record, switches: Record) -> None:
        """Refuse a contact that cannot be created."""
        self.check(values, True, needs_required(switches))
        email = text_of(values.get("email"))
        if not email:
            return
        self._check_address(email, None)
        in_bin = any(text_of(contact["properties"].get("email")) == email for contact in self.bin.values())
        if switches["deleted_write"] == 409 and in_bin:
            raise ItemFailed("CONFLICT", "Contact was deleted. Restore it instead", email=email)
        if email in self.blocklist and switches["blocklisted_write"] != "accepted_not_kept":
            code = "CONFLICT" if switches["blocklisted_write"] == 409 else "VALIDATION_ERROR"
            text = f"Email address {email} was permanently deleted"
            raise ItemFailed(code, text, name="email", error="GDPR_BLOCKLIST")

    def create(self, values: Record, switches: Record, seq: int) -> Record:
        """Create a contact; ItemFailed where the portal refuses."""
        self.check_new(values, switches)
        email, now = text_of(values.get("email")), iso(self.clock.now())
        self._last += 1
        id = str(self._last)
        made: Record = {"id": id, "properties": {}, "createdAt": now, "updatedAt": now, "archived": False}
        if email in self.blocklist:
            return {**made, "properties": dict(values)}  # and is never seen again
        self.contacts[id] = made
        self._set(id, {"createdate": now, "hs_object_id": id, **values}, None, switches)
        self.note("created", seq, id=id, email=email)
        return self.contacts[id]

    def _check_address(self, email: str, own: str | None) -> None:
        other = self.by_email(email)
        if other is not None and other["id"] != own:
            raise ItemFailed("CONFLICT", f"Contact already exists. Existing ID: {other['id']}", email=email)

    def update(self, id: str, values: Record, switches: Record, seq: int) -> Record:
        """Change a contact; ItemFailed where there is none, or the portal refuses."""
        contact = self.by_id(id)
        if contact is None:
            raise ItemFailed("OBJECT_NOT_FOUND", f"Object not found.  objectId are usually numeric. {id}", id=id)
        self.check(values, False, needs_required(switches))
        if values.get("email"):
            self._check_address(text_of(values["email"]), contact["id"])
        self._set(contact["id"], values, contact, switches)
        self.note("updated", seq, id=contact["id"], properties=sorted(values))
        return self.contacts[contact["id"]]

    def _set(self, id: str, values: Record, before: Record | None, switches: Record) -> None:
        self.lag.wrote(id, before, int(switches["read_after_write_lag_polls"]))
        contact, now = self.contacts[id], iso(self.clock.now())
        if before is not None and "email" in values:
            self._primary.pop(text_of(before["properties"].get("email")), None)
        kept = {**contact["properties"], **values, "lastmodifieddate": now}
        if kept.get("email"):
            kept["email"] = text_of(kept["email"])
        kept = {name: value for name, value in kept.items() if value not in (None, "")}
        self.contacts[id] = {**contact, "properties": kept, "updatedAt": now}
        self._index(id)

    # What people and the system itself do.

    def delete(self, id: str, for_good: bool) -> None:
        """Put a contact into the bin, or delete it for good and keep its address on the blocklist."""
        contact = self.contacts.pop(id)
        if for_good:
            self.blocklist.add(text_of(contact["properties"].get("email")))
        else:
            self.bin[id] = contact
        for listed in self.members.values():
            listed.pop(id, None)
        self.changed()

    def merge(self, winner: str, loser: str, new_id: bool) -> Record:
        """Merge a contact into another one; the address of the one that is gone becomes an additional one."""
        first, second = self.contacts.pop(winner), self.contacts.pop(loser)
        values = {**second["properties"], **first["properties"]}
        others = [second["properties"].get("email")]
        others += [c["properties"].get("hs_additional_emails") for c in (first, second)]
        gone = [loser, *([winner] if new_id else [])]
        gone += [c["properties"].get("hs_merged_object_ids") for c in (first, second)]
        id = str(self._last + 1) if new_id else winner
        values["hs_additional_emails"] = ";".join(filter(None, others))
        values["hs_merged_object_ids"] = ";".join(filter(None, gone))
        values["hs_object_id"] = id
        self.contacts[id] = {**first, "id": id, "properties": values, "updatedAt": iso(self.clock.now())}
        self.merged |= {old: id for old in (loser, winner) if old != id}
        for listed in self.members.values():
            for old in (loser, winner):
                if old in listed:
                    listed[id] = {**listed.pop(old), "recordId": id}
        self.changed()
        return self.contacts[id]

    def edit(self, id: str, fields: Record, replace: bool) -> Record:
        """Change a contact as a person in the web application does."""
        contact = self.contacts[id]
        values = dict(fields) if replace else merged(contact["properties"], fields)
        values = {name: value for name, value in values.items() if value not in (None, "")}
        self.contacts[id] = {**contact, "properties": values, "updatedAt": iso(self.clock.now())}
        self.changed()
        return self.contacts[id]

    # Subscriptions: they belong to the address, and outlive the contact.

    def status_rows(self, email: str) -> list[Record]:
        """Return the state of an address for each subscription type."""
        own = self.statuses.get(text_of(email), {})
        return [
            {
                "subscriberIdString": email,
                "subscriptionId": int(id),
                "subscriptionName": one["name"],
                "channel": "EMAIL",
                "source": "API",
                "timestamp": None,
                "legalBasis": None,
                "legalBasisExplanation": None,
                "status": NOT_SPECIFIED,
                **own.get(id, {}),
            }
            for id, one in self.definitions.items()
            if one["isActive"]
        ]

    def tell(self, email: str, subscription: str | None, opted_out: bool) -> None:
        """Keep what a caller was told: of one type, or of all mail (None), which does not take back the former."""
        for id in self.definitions if subscription is None else (subscription,):
            before = self.told.get((text_of(email), id), False) if subscription is None else False
            self.told[text_of(email), id] = opted_out or before

    def is_known(self, email: str) -> bool:
        """Say whether the portal ever heard of an address."""
        return self.by_email(email) is not None or text_of(email) in self.statuses

    def set_status(self, email: str, subscription: str, status: str, **more: Any) -> Record:
        """Set the state of an address for one type."""
        row = {"status": status, "timestamp": iso(self.clock.now()), **more}
        self.statuses.setdefault(text_of(email), {})[subscription] = row
        return row

    def opt_out(self, email: str, subscription: str | None) -> None:
        """Unsubscribe an address as its owner does: from one type, or from all (None)."""
        if subscription is not None:
            self.set_status(email, subscription, UNSUBSCRIBED, source="PUBLIC_STATUS_PAGE")
        else:
            at = iso(self.clock.now())
            self.wide[text_of(email)] = {"wideStatusType": "PORTAL_WIDE", "status": UNSUBSCRIBED, "timestamp": at}

    def write_status(self, wish: Record, switches: Record, seq: int) -> Record:
        """Write one state as the API asks; ItemFailed where it is refused."""
        email, asked = str(wish.get("subscriberIdString") or ""), wish.get("statusState")
        id = str(wish.get("subscriptionId"))
        definition = self.definitions.get(id)
        good = asked in STATES and isinstance(wish.get("subscriptionId"), int) and wish.get("channel") == "EMAIL"
        if not good or not is_address(email):
            raise ItemFailed("VALIDATION_ERROR", "The status, channel, type or address is not valid", id=email)
        if definition is None or not definition["isActive"]:
            raise ItemFailed("SUBSCRIPTION_NOT_FOUND", f"Subscription {id} does not exist", id=email)
        basis = wish.get("legalBasis")
        explained = basis in BASES and bool(wish.get("legalBasisExplanation"))
        if switches["gdpr"] == "on_required" and asked == SUBSCRIBED and not explained:
            raise ItemFailed("VALIDATION_ERROR", "legalBasis and legalBasisExplanation are required", id=email)
        known = self.statuses.get(text_of(email), {}).get(id) or {"status": NOT_SPECIFIED, "timestamp": None}
        before, wide, told = known["status"], self.wide.get(text_of(email)), self.told.get((text_of(email), id))
        opted_out = [one["timestamp"] for one in (known, wide) if one and one["status"] == UNSUBSCRIBED]
        reason = "NO_STATUS_CHANGE" if before == asked else "REQUESTED_CHANGE_OCCURRED"
        if asked == SUBSCRIBED and opted_out:
            if switches["resubscribe"] == "item_error":
                raise ItemFailed("CANNOT_RESUBSCRIBE", "The contact has opted out", id=email)
            if switches["resubscribe"] == "silently_kept":
                asked, reason = before, "NO_STATUS_CHANGE"
            else:
                reason = "RESUBSCRIBE_OCCURRED"
                self.wide.pop(text_of(email), None)
        row = known
        if reason != "NO_STATUS_CHANGE":
            legal = {} if switches["gdpr"] == "off_ignored" else {"legalBasis": basis}
            legal["legalBasisExplanation"] = wish.get("legalBasisExplanation")
            row = self.set_status(email, id, str(asked), source="API", **legal)
        self.note(
            {SUBSCRIBED: "subscribed", UNSUBSCRIBED: "unsubscribed"}.get(str(wish["statusState"]), "status"),
            seq, email=text_of(email), subscription=int(id), before=UNSUBSCRIBED if opted_out else before,
            reason=reason, legal_basis=basis, explanation=wish.get("legalBasisExplanation"),
            opted_out=max(opted_out, default=None), told=told,
        )  # fmt: skip
        return {"subscriberIdString": email, "subscriptionId": int(id), "channel": "EMAIL", **row} | {
            "setStatusSuccessReason": reason
        }

    # Lists.

    def add_members(self, list_id: str, ids: list[str], seq: int) -> Record:
        """Add records to a list; those that are on it already are passed over."""
        members, added, missing = self.members.setdefault(list_id, {}), [], []
        for id in ids:
            contact = self.by_id(id)
            if contact is None:
                missing.append(id)
            elif contact["id"] not in members:
                members[contact["id"]] = {"recordId": contact["id"], "membershipTimestamp": iso(self.clock.now())}
                added.append(id)
                email = contact["properties"].get("email")
                self.note("list_added", seq, list=list_id, id=contact["id"], email=email)
        return {"recordsIdsAdded": added, "recordIdsMissing": missing, "recordIdsRemoved": []}

    def remove_members(self, list_id: str, ids: list[str], seq: int) -> Record:
        """Remove records from a list."""
        members = self.members.setdefault(list_id, {})
        gone = [id for id in ids if members.pop(id, None)]
        for id in gone:
            self.note("list_removed", seq, list=list_id, id=id)
        return {"recordsIdsAdded": [], "recordIdsMissing": [], "recordIdsRemoved": gone}


def needs_required(switches: Record) -> bool:
    """Say whether properties that the portal requires are required of writes by the API."""
    return bool(switches["version"] == "2026-09")


def _invalid(name: str, error: str, text: str) -> ItemFailed:
    return ItemFailed("VALIDATION_ERROR", text, name=name, error=error)


def _check_value(one: Record, value: str) -> None:
    name, options = one["name"], {option["value"] for option in one["options"]}
    if name == "email" and (not is_address(value.strip()) or value.strip().endswith(MISTYPED)):
        raise _invalid(name, "INVALID_EMAIL", f"Email address {value} is invalid")
    if len(value) > LONGEST:
        raise _invalid(name, "INVALID_STRING", f"{name} is too long")
    good = True
    match one["type"]:
        case "number":
            good = re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
        case "bool":
            good = value in ("true", "false")
        case "enumeration":
            parts = value.split(";") if one["fieldType"] == "checkbox" else [value]
            good = all(part in options for part in parts)
        case "date" | "datetime":
            good = value.isdigit() or _is_time(value, one["type"] == "date")
    if not good:
        wrong = "INVALID_OPTION" if one["type"] == "enumeration" else f"INVALID_{one['type'].upper()}"
        raise _invalid(name, wrong, f"{value} was not a valid {one['type']} for {name}")


def _is_time(value: str, only_date: bool) -> bool:
    try:
        (date if only_date else datetime).fromisoformat(value)
    except ValueError:
        return False
    return True
