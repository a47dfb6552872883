"""Keeps one merchant's Salesforce org: its objects and their fields, rules for rows, merges and deleted rows.

It is long because a row is written, refused, merged and deleted by the same rules of its object.
"""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, ItemFailed, Lag, is_address, iso, text_of
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.salesforce.soql import Known, folded
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

KEY_FIELD = "SoPost_Key__c"
NOT_PROVIDED = "[not provided]"
PREFIXES = {"Contact": "003", "Campaign": "701", "CampaignMember": "00v", "Organization": "00D", "Account": "001"}
RELATIONS = {
    "Contact": ("Contact", "ContactId"),
    "Campaign": ("Campaign", "CampaignId"),
    "Account": ("Account", "AccountId"),
}


def column(name: str, type: str = "string", length: int = 255, **more: Any) -> Record:
    """Return a field as a describe shows it; `read_only` it is by nature, `values` are those of a picklist."""
    read_only = bool(more.get("read_only"))
    return {
        "name": name,
        "label": more.get("label") or name.removesuffix("__c").replace("_", " "),
        "type": type,
        "length": length if type in ("string", "textarea", "email", "phone", "picklist", "multipicklist", "id") else 0,
        "createable": not read_only,
        "updateable": not read_only and not more.get("create_only"),
        "nillable": not more.get("required"),
        "calculated": bool(more.get("calculated")),
        "custom": name.endswith("__c"),
        "externalId": bool(more.get("external_id")),
        "unique": bool(more.get("unique")),
        "caseSensitive": False,
        "idLookup": name in ("Id", "Email") or bool(more.get("external_id")),
        "restrictedPicklist": bool(more.get("values")),
        "picklistValues": [{"value": v, "label": v, "active": True} for v in more.get("values", ())],
    }


_SYSTEM = (
    column("Id", "id", 18, read_only=True),
    column("IsDeleted", "boolean", read_only=True),
    column("CreatedDate", "datetime", read_only=True),
    column("LastModifiedDate", "datetime", read_only=True),
    column("SystemModstamp", "datetime", read_only=True),
)
OBJECTS: dict[str, tuple[Record, ...]] = {
    "Contact": (
        *_SYSTEM,
        column("MasterRecordId", "reference", read_only=True),
        column("AccountId", "reference"),
        column("FirstName", "string", 40),
        column("LastName", "string", 80, required=True),
        column("Name", "string", 121, read_only=True),
        column("Email", "email", 80),
        column("Phone", "phone", 40),
        column("MailingCity", "string", 40),
        column("MailingPostalCode", "string", 20),
        column("MailingCountry", "string", 80),
        column("LeadSource", "picklist", values=("Web", "Partner", "Other")),
        column("Birthdate", "date"),
        column("HasOptedOutOfEmail", "boolean"),
        column("DoNotCall", "boolean"),
    ),
    "Campaign": (
        *_SYSTEM,
        column("Name", "string", 80, required=True),
        column("IsActive", "boolean"),
        column("Status", "picklist", values=("Planned", "In Progress", "Completed", "Aborted")),
    ),
    "CampaignMember": (
        *_SYSTEM,
        column("CampaignId", "reference", create_only=True, required=True),
        column("ContactId", "reference", create_only=True),
        column("Status", "picklist"),
        column("HasResponded", "boolean", read_only=True),
    ),
    "Account": (*_SYSTEM, column("Name", "string", 255, required=True)),
    "Organization": (column("Id", "id", 18, read_only=True), column("Name", "string", 80, read_only=True)),
}


def long_id(id: str) -> str:
    """Return the eighteen characters of an id of fifteen: the last three say which of the others are capitals."""
    if len(id) != 15:
        return id
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    parts = (id[0:5], id[5:10], id[10:15])
    return id + "".join(letters[sum(1 << i for i, c in enumerate(part) if c.isupper())] for part in parts)


class Org:
    """The records of one org, and what the API did to them (`books`)."""

    def __init__(self, merchant: Merchant, part: Record, clock: Clock) -> None:
        self.merchant = merchant
        self.clock = clock
        self.fields: dict[str, dict[str, Record]] = {
            name: {one["name"].lower(): dict(one) for one in columns} for name, columns in OBJECTS.items()
        }
        for name, columns in (part.get("fields") or {}).items():
            self.fields[name] |= {one["name"].lower(): one for one in columns}
        self.rows: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS}
        for name, rows in (part.get("rows") or {}).items():
            self.rows[name] = rows
        self.id = long_id(str(part.get("org") or f"00D{merchant.account:012d}"))
        self.rows["Organization"] = {self.id: {"Id": self.id, "Name": merchant.name}}
        self.used: int = part.get("used") or 0
        self.limit: int = part.get("limit") or 100000
        self.gone: set[str] = set()
        self.locked = 0
        self.books: list[Record] = []
        self.told: dict[str, bool] = {}
        """Whether the API last told of a contact that it opted out."""
        self.lag = Lag()
        self._made = dict.fromkeys(OBJECTS, 0)
        self.changed()

    def changed(self) -> None:
        """Find addresses, keys and members anew."""
        self._keys: dict[str, list[str]] = {}
        self._emails: dict[str, list[str]] = {}
        self._pairs: dict[tuple[str, str], str] = {}
        self._members_of: dict[str, list[str]] = {}
        for object in ("Contact", "CampaignMember"):
            for row in self.rows[object].values():
                self._index(object, row)

    def _indexed(self, object: str, row: Record) -> list[tuple[dict[str, list[str]], str]]:
        if object == "CampaignMember":
            return [(self._members_of, row["ContactId"])]
        return [(self._keys, text_of(row.get(KEY_FIELD))), (self._emails, text_of(row.get("Email")))]

    def _index(self, object: str, row: Record) -> None:
        if row.get("IsDeleted") or object not in ("Contact", "CampaignMember"):
            return
        if object == "CampaignMember":
            self._pairs[row["CampaignId"], row["ContactId"]] = row["Id"]
        for table, value in self._indexed(object, row):
            found = table.setdefault(value, []) if value else []
            if row["Id"] not in found:
                found.append(row["Id"])

    def _unindex(self, object: str, row: Record) -> None:
        for table, value in self._indexed(object, row) if object in ("Contact", "CampaignMember") else ():
            if row["Id"] in table.get(value, ()):
                table[value].remove(row["Id"])

    def candidates(self, object: str, known: Known) -> list[str]:
        """Return the ids of rows that are not deleted and may pass a query: by an index, where one serves."""
        tables: dict[tuple[str, str], dict[str, list[str]]] = {
            ("Contact", "email"): self._emails,
            ("Contact", KEY_FIELD.lower()): self._keys,
        }
        found: dict[str, None] = {}
        for name, value in known or ():
            if name == "id" and isinstance(value, str):
                ids = [id for id in [long_id(value)] if id in self.rows[object]]
            elif (object, name) in tables and isinstance(value, str):
                ids = tables[object, name].get(value.strip(), [])
            elif (object, name) == ("CampaignMember", "contactid") and isinstance(value, str):
                ids = self._members_of.get(long_id(value), [])
            else:
                return list(self.rows[object])
            found |= dict.fromkeys(ids)
        return list(self.rows[object]) if known is None else list(found)

    def note(self, what: str, seq: int, **details: Any) -> None:
        """Write into the books."""
        self.books.append({"what": what, "seq": seq, "at": iso(self.clock.now()), **details})

    # Fields.

    def object(self, name: str) -> str:
        """Return an object by its name in any case; ItemFailed where there is none."""
        for known in self.fields:
            if known.lower() == name.lower():
                return known
        raise ItemFailed("INVALID_TYPE", f"sObject type '{name}' is not supported.")

    def columns(self, object: str, switches: Record) -> dict[str, Record]:
        """Return the fields of an object that the key may see, by their names in lower case."""
        shown = dict(self.fields[object])
        if object == "Contact":
            if switches["external_id"] == "missing":
                shown.pop(KEY_FIELD.lower(), None)
            elif KEY_FIELD.lower() in shown:
                key = shown[KEY_FIELD.lower()]
                shown[KEY_FIELD.lower()] = {**key, "unique": switches["external_id"] == "unique"}
            if switches["opted_out_field"] == "hidden":
                shown.pop("hasoptedoutofemail", None)
        return shown

    def value(self, record: Record, name: str) -> Any:
        """Return a record's field, through a relation too (`Contact.Email`)."""
        first, _, rest = name.partition(".")
        if rest:
            object, reference = next(v for k, v in RELATIONS.items() if k.lower() == first.lower())
            other = self.rows[object].get(str(record.get(reference)))
            return self.value(other, rest) if other else None
        return next((value for key, value in record.items() if key.lower() == first.lower()), None)

    def column_of(self, object: str, name: str, switches: Record) -> Record:
        """Return a field by its name; ItemFailed where there is none."""
        first, _, rest = name.partition(".")
        if rest:
            related = next((v[0] for k, v in RELATIONS.items() if k.lower() == first.lower()), None)
            if related is not None:
                return self.column_of(related, rest, switches)
        found = self.columns(object, switches).get(name.lower())
        if found is None:
            text = (
                f"No such column '{name}' on entity '{object}'. If you are attempting to use a custom field, be sure "
            )
            raise ItemFailed("INVALID_FIELD", text + "to append the '__c' after the custom field name.")
        return found

    # Writing.

    def check_names(self, object: str, records: list[Record], switches: Record) -> None:
        """Refuse the whole request where a record names a field that is not there."""
        for record in records:
            for name in record:
                if name != "attributes":
                    self.column_of(object, name, switches)

    def create(self, object: str, record: Record, switches: Record, seq: int, allow_save: bool = False) -> Record:
        """Create a row; ItemFailed where a rule refuses it."""
        values = {k: v for k, v in record.items() if k not in ("attributes", "Id")}
        self._lock(switches)
        self._check(object, values, True, switches)
        if object == "CampaignMember":
            self._check_member(values, switches)
        if object == "Contact":
            self._check_contact(values, None, switches, allow_save)
        now = iso(self.clock.now())
        row = {"Id": self._new_id(object), "IsDeleted": False, "CreatedDate": now, **values}
        if object == "Contact":
            row = {"HasOptedOutOfEmail": False, "MasterRecordId": None, **row}
        self._store(object, {**row, "LastModifiedDate": now, "SystemModstamp": now}, None, switches)
        if object == "Contact":
            self.note("created", seq, id=row["Id"], email=text_of(row.get("Email")))
        elif object == "CampaignMember":
            contact = self.rows["Contact"].get(row["ContactId"], {})
            state: Record = {"opted_out": "always" if contact.get("HasOptedOutOfEmail") else None}
            state |= {"told": self.told.get(row["ContactId"]), "email": text_of(contact.get("Email"))}
            self.note("member_added", seq, id=row["Id"], campaign=row["CampaignId"], **state)
        return self.rows[object][row["Id"]]

    def _new_id(self, object: str) -> str:
        self._made[object] += 1
        return long_id(f"{PREFIXES[object]}Sb{self.merchant.account % 10000:04d}{self._made[object]:06d}")

    def _store(self, object: str, row: Record, before: Record | None, switches: Record) -> None:
        self.lag.wrote(row["Id"], before, int(switches["read_after_write_lag_polls"]))
        if object == "Contact":
            row["Name"] = " ".join(filter(None, (row.get("FirstName"), row.get("LastName"))))
        if before is not None:
            self._unindex(object, before)
        self.rows[object][row["Id"]] = row
        self._index(object, row)

    def update(self, object: str, record: Record, switches: Record, seq: int, allow_save: bool = False) -> Record:
        """Change a row by its id; ItemFailed where a rule refuses it."""
        id = long_id(str(record.get("Id") or record.get("id") or ""))
        row = self.rows[object].get(id)
        if row is None or id in self.gone:
            raise ItemFailed("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", id=id)
        if row.get("IsDeleted"):
            raise ItemFailed("ENTITY_IS_DELETED", "entity is deleted", id=id)
        values = {k: v for k, v in record.items() if k not in ("attributes", "Id", "id")}
        self._lock(switches)
        self._check(object, values, False, switches)
        if object == "Contact":
            self._check_contact(values, row, switches, allow_save)
        now = iso(self.clock.now())
        self._store(object, {**row, **values, "LastModifiedDate": now, "SystemModstamp": now}, row, switches)
        what = "updated" if object == "Contact" else "member_changed"
        self.note(what, seq, id=id, fields=sorted(values), values=None if object == "Contact" else values)
        return self.rows[object][id]

    def upsert(
        self, object: str, key: str, record: Record, switches: Record, seq: int, allow_save: bool = False
    ) -> tuple[Record, bool]:
        """Create or change a row by its external id; return it, and whether it is new."""
        value = record.get(key)
        if value in (None, ""):
            raise ItemFailed("MISSING_ARGUMENT", f"{key} not specified")
        ids = self.candidates(object, [(key.lower(), folded(str(value)))])
        rows = (self.rows[object][id] for id in ids)
        live = [row for row in rows if folded(row.get(key)) == folded(value) and not row.get("IsDeleted")]
        if len(live) > 1:
            told = ", ".join(row["Id"] for row in live)
            text = f"{key}: more than one record found for external id field: [{told}]"
            raise ItemFailed("DUPLICATE_EXTERNAL_ID", text)
        if live:
            return self.update(object, {**record, "Id": live[0]["Id"]}, switches, seq, allow_save), False
        return self.create(object, record, switches, seq, allow_save), True

    def delete(self, object: str, id: str, seq: int) -> None:
        """Delete a row; it can be seen in the bin still."""
        row = self.rows[object].get(long_id(id))
        if row is None or row.get("IsDeleted"):
            raise ItemFailed("ENTITY_IS_DELETED", "entity is deleted", id=id)
        self.rows[object][row["Id"]] = {**row, "IsDeleted": True}
        if object == "Contact":
            for member in [m for m in self.rows["CampaignMember"].values() if m["ContactId"] == row["Id"]]:
                self.rows["CampaignMember"][member["Id"]] = {**member, "IsDeleted": True}
        self.changed()
        self.note("deleted" if object == "Contact" else "member_removed", seq, id=row["Id"])

    def snapshot(self) -> Any:
        """Return what `restored` takes to undo all that comes after."""
        return copy.deepcopy((self.rows, self._made, self.books))

    def restored(self, snapshot: Any) -> None:
        """Undo what came after a snapshot."""
        self.rows, self._made, self.books = snapshot
        self.changed()

    # Rules.

    def _lock(self, switches: Record) -> None:
        if self.locked < int(switches["lock_rows"]):
            self.locked += 1
            raise ItemFailed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _check(self, object: str, values: Record, creating: bool, switches: Record) -> None:
        for one in self.columns(object, switches).values():
            name = one["name"]
            if not one["nillable"] and (
                values.get(name) in (None, "") if creating else values.get(name, 1) in (None, "")
            ):
                raise ItemFailed("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", fields=[name])
        for name, value in values.items():
            one = self.column_of(object, name, switches)
            if not (one["createable"] if creating else one["updateable"]):
                text = f"Unable to create/update fields: {name}. Please check the security settings of this field"
                raise ItemFailed("INVALID_FIELD_FOR_INSERT_UPDATE", text, fields=[name])
            if value is not None:
                _check_value(one, value, switches)

    def _check_member(self, values: Record, switches: Record) -> None:
        for object, name in (("Campaign", "CampaignId"), ("Contact", "ContactId")):
            id = long_id(str(values.get(name) or ""))
            row = self.rows[object].get(id)
            if row is None or row.get("IsDeleted"):
                raise ItemFailed(
                    "INVALID_CROSS_REFERENCE_KEY", f"{name}: invalid cross reference id", fields=[name], id=id
                )
            values[name] = id
        statuses = self.rows["Campaign"][values["CampaignId"]].get("_statuses") or ("Sent", "Responded")
        values.setdefault("Status", statuses[0])
        if values["Status"] not in statuses and switches["restricted_picklist"] == "on":
            text = f"Status: bad value for restricted picklist field: {values['Status']}"
            raise ItemFailed("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, fields=["Status"])
        if (values["CampaignId"], values["ContactId"]) in self._pairs:
            if switches["member_duplicate"] == "DUPLICATE_VALUE":
                raise ItemFailed("DUPLICATE_VALUE", "Already a campaign member.", fields=["CampaignId", "ContactId"])
            self.note("member_doubled", 0, campaign=values["CampaignId"], contact=values["ContactId"])

    def _check_contact(self, values: Record, row: Record | None, switches: Record, allow_save: bool) -> None:
        own = row["Id"] if row else None
        if switches["validation_rule"] == "item" and values.get("LastName") == NOT_PROVIDED:
            raise ItemFailed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Say who it is.", fields=["LastName"])
        key = values.get(KEY_FIELD)
        if key:
            others = [id for id in self._keys.get(text_of(key), ()) if id != own]
            if others and switches["external_id"] == "unique":
                text = f"duplicate value found: {KEY_FIELD} duplicates value on record with id: {others[0]}"
                raise ItemFailed("DUPLICATE_VALUE", text, fields=[KEY_FIELD])
            if row is None and switches["deleted_by_key"] == "ENTITY_IS_DELETED":
                bin_ = (one for one in self.rows["Contact"].values() if one.get("IsDeleted"))
                if any(text_of(one.get(KEY_FIELD)) == text_of(key) for one in bin_):
                    raise ItemFailed("ENTITY_IS_DELETED", "entity is deleted")
        if values.get("Email") and switches["duplicate_rule"] != "off":
            alert = switches["duplicate_rule"] == "alert" and allow_save
            if any(id != own for id in self._emails.get(text_of(values["Email"]), ())) and not alert:
                raise ItemFailed("DUPLICATES_DETECTED", "Use one of these records?", fields=[])

    # What people do.

    def merge(self, winner: str, loser: str, key_copied: bool) -> Record:
        """Merge a contact into another one: its members move, and it points to its master."""
        contacts = self.rows["Contact"]
        kept, gone = contacts[winner], contacts[loser]
        if key_copied and not kept.get(KEY_FIELD) and gone.get(KEY_FIELD):
            contacts[winner] = kept = {**kept, KEY_FIELD: gone[KEY_FIELD]}
        contacts[loser] = {**gone, "IsDeleted": True, "MasterRecordId": winner}
        for member in [m for m in self.rows["CampaignMember"].values() if m["ContactId"] == loser]:
            twice = (member["CampaignId"], winner) in self._pairs
            moved = {"IsDeleted": True} if twice else {"ContactId": winner}
            self.rows["CampaignMember"][member["Id"]] = {**member, **moved}
        self.changed()
        return kept


def _check_value(one: Record, value: Any, switches: Record) -> None:
    name, type = one["name"], one["type"]
    if type == "boolean" and not isinstance(value, bool):
        raise ItemFailed("JSON_PARSER_ERROR", f"Cannot deserialize instance of boolean from {value!r}", fields=[name])
    if type in ("double", "currency", "int") and (isinstance(value, bool) or not _is_number(value)):
        raise ItemFailed("JSON_PARSER_ERROR", f"Cannot deserialize instance of double from {value!r}", fields=[name])
    if type in ("date", "datetime") and not _is_time(value):
        raise ItemFailed("JSON_PARSER_ERROR", f"Cannot deserialize instance of {type} from {value!r}", fields=[name])
    if type == "email" and value != "" and not is_address(value):
        raise ItemFailed("INVALID_EMAIL_ADDRESS", f"{name}: invalid email address: {value}", fields=[name])
    if one["length"] and isinstance(value, str) and len(value) > one["length"]:
        text = f"{name}: data value too large: {value[:20]} (max length={one['length']})"
        raise ItemFailed("STRING_TOO_LONG", text, fields=[name])
    if type in ("picklist", "multipicklist") and one["picklistValues"] and value != "":
        known = {option["value"] for option in one["picklistValues"]}
        parts = str(value).split(";") if type == "multipicklist" else [str(value)]
        if any(part not in known for part in parts) and switches["restricted_picklist"] == "on":
            text = f"{name}: bad value for restricted picklist field: {value}"
            raise ItemFailed("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, fields=[name])


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True
