"""Keeps one winery's texting account: finds and shows contacts, and applies the rules by which a write changes them."""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime

import msgspec

from vs_st_pipeline.sandbox.core.asgi import Record, dumps
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant, instant_text
from vs_st_pipeline.sandbox.simpletexting.errors import ItemFailed

BUILTIN = ("firstName", "lastName", "email", "birthday", "comment")
LIMITS = {"firstName": 100, "lastName": 100, "comment": 1000}


def now_text() -> str:
    """Return the present by the service's own clock, as text."""
    return instant_text(datetime.now(UTC))


def digits_of(phone: object) -> str:
    """Return the ten national digits of a phone, where it has them."""
    digits = re.sub(r"\D", "", str(phone))
    return digits[1:] if len(digits) == 11 and digits.startswith("1") else digits


class Account:
    """State derived from a merchant's contacts, and what the API did to them."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant = merchant
        self.created: list[Record] = []
        self.violations: list[Record] = []
        self.told: dict[str, str] = {}
        self.moved = False
        self.fields_changed()

    def fields_changed(self) -> None:
        """Take over the account's changed custom fields; values of fields that are gone stay hidden in the contacts."""
        self._labels = {field["mergeTag"]: field["label"] for field in self.merchant.custom_fields}
        self._tags = {field["label"]: field["mergeTag"] for field in self.merchant.custom_fields}
        self.changed()

    def changed(self) -> None:
        """Forget everything derived."""
        self._by_phone = {c["contactPhone"]: id for id, c in self.merchant.contacts.items()}
        self._shown: dict[str, msgspec.Raw] = {}
        self._sorted: list[tuple[str, str]] | None = None

    def touched(self, contact: Record) -> None:
        """Forget what is derived from one contact."""
        self._shown.pop(contact["contactId"], None)
        self._sorted = None

    def find(self, phone_or_id: str) -> Record | None:
        """Return a contact by its id or by its phone in any form."""
        found = self.merchant.contacts.get(phone_or_id)
        if found is None and not re.fullmatch("[0-9a-f]{24}", phone_or_id):
            id = self._by_phone.get(digits_of(phone_or_id)) or self._by_phone.get(phone_or_id)
            found = self.merchant.contacts.get(id) if id else None
        return found

    def by_updated(self) -> list[tuple[str, str]]:
        """Return (updated, contact id) of all contacts, oldest first."""
        if self._sorted is None:
            self._sorted = sorted((c["updated"], id) for id, c in self.merchant.contacts.items())
        return self._sorted

    def shown(self, contact: Record, switches: Record) -> msgspec.Raw:
        """Return a contact as the API shows it."""
        self.told[contact["contactId"]] = contact["subscriptionStatus"]
        raw = self._shown.get(contact["contactId"])
        if raw is None:
            raw = self._shown[contact["contactId"]] = msgspec.Raw(dumps(self._view(contact, switches)))
        return raw

    def _view(self, contact: Record, switches: Record) -> Record:
        style = switches["null_style"]
        blank = None if style == "null" else ""
        values: Record = {t: v for t, v in contact["customFields"].items() if t in self._labels}
        view = dict(contact)
        if style == "absent":
            view = {key: value for key, value in view.items() if value is not None and value != []}
            if not values:
                del view["customFields"]
        else:
            view = {key: blank if value is None else value for key, value in view.items()}
            values = {tag: values.get(tag, blank) for tag in self._labels}
            if style == "null" and not view["lists"]:
                view["lists"] = None
        if "customFields" in view:
            by_label = switches["custom_fields_read_key"] == "label"
            view["customFields"] = {self._labels.get(t, t) if by_label else t: v for t, v in values.items()}
        return view

    # Writing.

    def problem_of(self, update: Record, switches: Record) -> str | None:
        """Say why an update is invalid, in the words of the gateway; None where it is valid."""
        for name, limit in LIMITS.items():
            if len(str(update.get(name) or "")) > limit:
                return f"{name}: size must be between 0 and {limit}"
        phone = update.get("contactPhone")
        if phone is not None and not digits_of(phone):
            return "contactPhone: must not be blank"
        if phone is not None and len(digits_of(phone)) != 10:
            return "contactPhone: must be a valid phone number"
        email = update.get("email")
        if email and switches["email_checked"] and not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", str(email)):
            return "email: must be a well-formed email address"
        birthday = update.get("birthday")
        if birthday and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(birthday)):
            return "birthday: failed to convert value to required type"
        if not isinstance(update.get("customFields", {}), dict):
            return "customFields: failed to convert value to required type"
        return None

    def unknown_fields(self, update: Record) -> list[str]:
        """Return the keys of custom fields that the account does not have."""
        return [key for key in update.get("customFields") or {} if self._tag(key) is None]

    def _tag(self, key: str) -> str | None:
        return key if key in self._labels else self._tags.get(key)

    def write(
        self, contact: Record | None, update: Record, replace_lists: bool, switches: Record, via: str, seq: int
    ) -> Record:
        """Update a contact, or create one where there is none; ItemFailed where the service refuses."""
        phone = digits_of(update.get("contactPhone") or "") or (contact or {}).get("contactPhone", "")
        self._check(contact, update, phone, switches)
        now = now_text()
        if contact is None:
            contact = self._new(phone, now)
            self.created.append({"contact_id": contact["contactId"], "phone": phone, "via": via, "seq": seq, "at": now})
        else:
            self._check_consent(contact, switches, via, seq)
        if phone != contact["contactPhone"]:
            self._by_phone.pop(contact["contactPhone"], None)
            contact["contactPhone"] = phone
        for name in BUILTIN:
            if name in update:
                self._set(contact, name, update[name], switches)
        self._set_custom(contact, update, switches)
        self._set_lists(contact, update, replace_lists, via, seq)
        contact["updated"] = now
        contact["updateSource"] = "PUBLIC_API"
        self._by_phone[phone] = contact["contactId"]
        self.touched(contact)
        return contact

    def _check(self, contact: Record | None, update: Record, phone: str, switches: Record) -> None:
        code = switches["reject"].get(phone)
        if code:
            raise ItemFailed(str(code), f"contactPhone={phone}, errorMessage=rejected")
        if switches["unknown_custom_field"] == "fail_item" and self.unknown_fields(update):
            raise ItemFailed("CONTACT_UPDATE_FAILED", f"unknown custom field {self.unknown_fields(update)[0]}")
        email = str(update.get("email") or "").lower()
        if switches["email_unique"] and email:
            for other in self.merchant.contacts.values():
                if other is not contact and str(other["email"] or "").lower() == email:
                    raise ItemFailed("CONTACT_UPDATE_FAILED", "Contact with this email already exists")

    def _check_consent(self, contact: Record, switches: Record, via: str, seq: int) -> None:
        status = contact["subscriptionStatus"]
        if status == "OPT_IN":
            return
        # `told` is what the API last said about this contact: no client could have known of a change after that.
        self.violate("wrote_not_opted_in", contact, via, seq)
        if status == "OPT_OUT":
            if switches["update_opted_out"] == "item_fails":
                raise ItemFailed("CONTACT_UPDATE_FAILED", "Contact is unsubscribed")
            if switches["update_opted_out"] == "flips_to_opt_in":
                contact["subscriptionStatus"] = "OPT_IN"

    def violate(self, what: str, contact: Record, via: str, seq: int) -> None:
        """Note something that a client must never do."""
        id = contact["contactId"]
        status = contact["subscriptionStatus"]
        told = self.told.get(id)
        self.violations.append(
            {
                "what": what,
                "contact_id": id,
                "status": status,
                "told": told,
                "via": via,
                "seq": seq,
                "time": time.time(),
            }
        )

    def _new(self, phone: str, now: str) -> Record:
        contact: Record = {"contactId": f"{int(time.time()):08x}{secrets.token_hex(8)}", "contactPhone": phone}
        contact |= dict.fromkeys(BUILTIN)
        contact |= {"lists": [], "customFields": {}, "subscriptionStatus": "OPT_IN"}
        contact |= {"created": now, "updated": now, "updateSource": "PUBLIC_API"}
        self.merchant.contacts[contact["contactId"]] = contact
        return contact

    def new_contact(self, phone: str, now: str) -> Record:
        """Return a blank contact, as made in the service itself."""
        contact = self._new(phone, now)
        self.changed()
        return contact

    def _stored(self, value: object, switches: Record) -> str:
        text = "" if value is None else str(value)
        if switches["trim_values"]:
            text = text.strip()
        return text[: switches["max_value_length"]] if switches["max_value_length"] else text

    def _set(self, target: Record, key: str, value: object, switches: Record) -> None:
        text = self._stored(value, switches)
        if text:
            target[key] = text
        elif switches["empty_string_value"] == "store_empty":
            target[key] = ""
        elif switches["empty_string_value"] == "clear":
            target[key] = None

    def _set_custom(self, contact: Record, update: Record, switches: Record) -> None:
        wanted = update.get("customFields")
        if wanted is None:
            return
        fields: Record = {} if switches["custom_fields_write"] == "replace" else dict(contact["customFields"])
        for key, value in wanted.items():
            tag = self._tag(key)
            if tag is not None:
                self._set(fields, tag, value, switches)
        contact["customFields"] = {tag: value for tag, value in fields.items() if value is not None}

    def _set_lists(self, contact: Record, update: Record, replace: bool, via: str, seq: int) -> None:
        if "listIds" not in update and not replace:
            return
        wanted = []
        for key in update.get("listIds") or []:
            found = self.find_list(str(key))
            if found:
                wanted.append({"id": found["listId"], "name": found["name"]})
        if replace:
            lost = [entry for entry in contact["lists"] if entry not in wanted]
            if lost:
                self.violate("lists_stripped", contact, via, seq)
            contact["lists"] = wanted
        else:
            contact["lists"] = contact["lists"] + [entry for entry in wanted if entry not in contact["lists"]]

    def find_list(self, id_or_name: str) -> Record | None:
        """Return a list by id or by name."""
        lists = self.merchant.lists
        return lists.get(id_or_name) or next((x for x in lists.values() if x["name"] == id_or_name), None)
