"""Which SimpleTexting field says what: the field map as data, read strictly, and the values it gives for a contact.

Data flow: YAML text -> FieldMap; FieldMap + Facts -> wanted values; FieldMap + the account's custom fields -> keys.
Names and values stand in one table, so that a name which a map may use is exactly one that has a value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, NoReturn, cast
from zoneinfo import ZoneInfo

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from vs_st_pipeline import customer as customers
from vs_st_pipeline import order as purchases
from vs_st_pipeline.change import Kind, Policy
from vs_st_pipeline.customer import Customer
from vs_st_pipeline.errors import SIMPLETEXTING, VINOSHIPPER, BadSettings
from vs_st_pipeline.order import Order
from vs_st_pipeline.text_forms import FORMS, SourceType

__all__ = [
    "BUILTINS",
    "FORMS",
    "SOURCES",
    "CustomField",
    "Facts",
    "FieldMap",
    "MapField",
    "ReadNames",
    "ResolvedMap",
    "Source",
    "SourceName",
    "WantedValue",
    "explain",
    "read_field_map",
    "records",
    "resolve",
    "rule_of",
    "wanted_values",
]

VERSION = 1

BUILTINS = ("firstName", "lastName", "email", "birthday", "comment")
"""The contact's own fields that a map may write. Phone, lists and subscription are nobody's business here."""

_LONGEST = {"firstName": 100, "lastName": 100, "comment": 1000}  # characters; documented by SimpleTexting
_POLICIES = ("fill", "mirror")
_KINDS = ("custom", "builtin")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where built in: thousands of merchants may have own maps
_DEEPEST = 20  # a map needs three
_KEYS = ("to", "kind", "from", "value", "as", "policy")


@dataclass(frozen=True, slots=True)
class MapField:
    """One row of a map; exactly one of `source` (a name in `SOURCES`) and `value` (a constant) is set."""

    to: str
    kind: Kind
    policy: Policy
    source: str | None
    value: str | None
    form: str
    line: int


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A checked map; `fingerprint` changes with what the map means, not with comments or the order of rows."""

    version: int
    fields: tuple[MapField, ...]
    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one customer.

    Attributes:
        orders: all his orders that were read.
        history_complete: whether the merchant's whole order history was walked; until then sums and counts are unknown.
    """

    customer: Customer
    orders: Sequence[Order]
    history_complete: bool


class WantedValue(NamedTuple):
    """The text that a field should have, empty where there is known to be nothing; a tuple, as there are millions."""

    map_field: MapField
    value: str


@dataclass(frozen=True, slots=True)
class Source:
    """A value in a source record: `kind` customer, order, receipt or constant; `id` of that record."""

    system: str
    kind: str
    id: str
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field of the SimpleTexting account, as `GET /custom-fields` names it."""

    label: str
    merge_tag: str


@dataclass(frozen=True, slots=True)
class ResolvedMap:
    """A map against an account: fields with the key to write each under, and those that the account lacks."""

    available: list[tuple[MapField, str]]
    missing: list[MapField]


# --- what can be said of a contact ---------------------------------------------------------------------------------

UNKNOWN = object()
"""A value that cannot be said now. It is left out, never blanked, because a blank would clear a true value."""


class _View(NamedTuple):
    """The facts, with what several fields of one contact share worked out once."""

    customer: Customer
    orders: Sequence[Order]
    complete: bool
    counted: list[Order]
    newest: Order | None
    newest_counted: Order | None


@dataclass(frozen=True, slots=True)
class SourceName:
    """A name usable in `from`: `read` gives its value (None: known to be empty), `origin` the records it came from."""

    type: SourceType
    description: str
    read: Callable[[_View], object]
    origin: Callable[[_View], list[Source]]


class _OrderPart(NamedTuple):
    """A part of an order: `evidence` gives paths and values of its sources where they are not just `path`."""

    type: SourceType
    description: str
    path: str
    read: Callable[[Order], object]
    evidence: Callable[[Order], list[tuple[str, object]]] | None = None
    record: str = "order"


def _of_customer(
    type_: SourceType, path: str, description: str, read: Callable[[Customer], object], in_detail: bool = False
) -> SourceName:
    def known(view: _View) -> object:
        return UNKNOWN if in_detail and not view.customer.has_detail else read(view.customer)

    return SourceName(
        type_, description, known, lambda view: _said("customer", view.customer.customer_id, path, known(view))
    )


def _of_history(
    type_: SourceType, description: str, read: Callable[[_View], object], origin: Callable[[_View], list[Source]]
) -> SourceName:
    return SourceName(
        type_,
        description,
        lambda view: read(view) if view.complete else UNKNOWN,
        lambda view: origin(view) if view.complete else [],
    )


def _of_order(prefix: str, part: _OrderPart) -> SourceName:
    counted = prefix == "last_counted_order"

    def known(view: _View) -> object:
        order = view.newest_counted if counted else view.newest
        if order is None:
            # While history is still being walked, "no order found yet" is not "no order".
            return None if view.complete else UNKNOWN
        return part.read(order)

    def origin(view: _View) -> list[Source]:
        order = view.newest_counted if counted else view.newest
        if order is None:
            return []
        evidence = part.evidence(order) if part.evidence else [(part.path, part.read(order))]
        return [source for path, value in evidence for source in _said(part.record, order.number, path, value)]

    which = "newest counted" if counted else "newest"
    return SourceName(part.type, f"{which} order: {part.description}", known, origin)


def _said(kind: str, record_id: object, path: str, value: object) -> list[Source]:
    if value is None or value is UNKNOWN or value == "":
        return []
    return [Source(VINOSHIPPER, kind, str(record_id), path, _plain(value))]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _membership_origin(path: str, attribute: str) -> Callable[[_View], list[Source]]:
    def origin(view: _View) -> list[Source]:
        rows = view.customer.memberships
        said = (
            _said("customer", view.customer.customer_id, f"memberships[].{path}", getattr(row, attribute))
            for row in rows
        )
        return [source for sources in said for source in sources]

    return origin


def _signup_origin(view: _View) -> list[Source]:
    order = purchases.signup_order(view.orders)
    if order is not None:
        return _said("order", order.number, "customer.customerSince", order.customer_since)
    joined = customers.earliest_membership(view.customer.memberships)
    return _said("customer", view.customer.customer_id, "memberships[].dateJoined", joined)


def _per_counted_order(path: str, attribute: str) -> Callable[[_View], list[Source]]:
    return lambda view: [
        source for order in view.counted for source in _said("order", order.number, path, getattr(order, attribute))
    ]


def _delivery_evidence(order: Order) -> list[tuple[str, object]]:
    by_code = purchases.delivery_method(order) != (order.rate_description or "")
    return [("shipping.rateCode", order.rate_code) if by_code else ("shipping.rateDescription", order.rate_description)]


def _tracking_evidence(order: Order) -> list[tuple[str, object]]:
    return [(_TRACKING_PATH, number) for number in purchases.tracking_numbers(order)]


_TRACKING_PATH = "shipping.packages[].trackingNumber"

_ORDER_PARTS = {
    "number": _OrderPart("text", "its number", "orderNumber", lambda o: o.number),
    "status": _OrderPart("text", "whether it was accepted and paid", "status", lambda o: o.status),
    "order_status": _OrderPart("text", "how far fulfilment is", "orderStatus", lambda o: o.order_status),
    "cart_type": _OrderPart("text", "the channel it came by", "cartType", lambda o: o.cart_type),
    "total": _OrderPart("number", "its total in dollars", "total", lambda o: o.total),
    "purchased_at": _OrderPart("date", "when it was bought", "purchasedAt", lambda o: o.purchased_at),
    "shipped_at": _OrderPart("date", "when it was shipped", "shippedAt", lambda o: o.shipped_at),
    "delivered_at": _OrderPart("date", "when it was delivered", "deliveredAt", lambda o: o.delivered_at),
    "delivery_method": _OrderPart(
        "text", "how it is delivered", "shipping", purchases.delivery_method, _delivery_evidence
    ),
    "tracking_numbers": _OrderPart(
        "list", "tracking numbers of its packages", _TRACKING_PATH, purchases.tracking_numbers, _tracking_evidence
    ),
    "tracking_url": _OrderPart(
        "text",
        "the carrier's page for its first package",
        _TRACKING_PATH,
        purchases.tracking_url,
        lambda o: _tracking_evidence(o)[:1] if purchases.tracking_url(o) else [],
    ),
    "receipt_url": _OrderPart(
        "text",
        "web address of its receipt",
        "receiptUrl",
        lambda o: o.receipt_url if o.receipt_known else UNKNOWN,
        record="receipt",
    ),
}

SOURCES: dict[str, SourceName] = {
    "customer.id": _of_customer("number", "id", "Vinoshipper's id of the customer", lambda c: c.customer_id),
    "customer.first_name": _of_customer("text", "firstName", "first name", lambda c: c.first_name),
    "customer.last_name": _of_customer("text", "lastName", "last name", lambda c: c.last_name),
    "customer.email": _of_customer("text", "email", "e-mail address", lambda c: c.email),
    "customer.birth_date": _of_customer("date", "dateOfBirth", "date of birth", lambda c: c.birth_date, in_detail=True),
    "customer.city": _of_customer(
        "text", "shippingAddress.city", "city of the shipping address", lambda c: c.city, in_detail=True
    ),
    "customer.state": _of_customer(
        "text", "shippingAddress.stateCode", "state of the shipping address", lambda c: c.state, in_detail=True
    ),
    "customer.club_names": SourceName(
        "list",
        "names of the clubs the customer is in",
        lambda view: customers.club_names(view.customer.memberships),
        _membership_origin("clubName", "club_name"),
    ),
    "customer.club_status": SourceName(
        "text",
        "Active, On Hold, or empty without a club",
        lambda view: customers.club_status(view.customer.memberships),
        _membership_origin("hold", "on_hold"),
    ),
    "customer.signup_date": _of_history(
        "date",
        "since when a customer",
        lambda view: purchases.signup_date(view.orders, view.customer.memberships),
        _signup_origin,
    ),
    "customer.order_count": _of_history(
        "number", "how many counted orders", lambda view: len(view.counted), _per_counted_order("status", "status")
    ),
    "customer.lifetime_value": _of_history(
        "number",
        "dollars of all counted orders",
        lambda view: purchases.lifetime_value(view.counted),
        _per_counted_order("total", "total"),
    ),
    **{
        f"{prefix}.{name}": _of_order(prefix, part)
        for prefix in ("last_counted_order", "newest_order")
        for name, part in _ORDER_PARTS.items()
    },
}


# --- the values of one contact -------------------------------------------------------------------------------------


def wanted_values(field_map: FieldMap, facts: Facts, zone: ZoneInfo) -> list[WantedValue]:
    """The value of every field of the map that can be said now, in the map's order.

    Left out, never blank, is what is unknown now: sums while the history is not complete (and the newest order while
    none was found in it), what only a customer detail says before one was read, a receipt that cannot be read.
    """
    view = _view(facts)
    wanted = []
    for field in field_map.fields:
        if field.source is None:
            text = field.value or ""
        else:
            value = SOURCES[field.source].read(view)
            if value is UNKNOWN:
                continue
            text = "" if value is None else FORMS[field.form].write(value, zone)
        if field.kind == "builtin":
            text = text[: _LONGEST.get(field.to)]
        wanted.append(WantedValue(field, text))
    return wanted


def explain(map_field: MapField, facts: Facts) -> list[Source]:
    """The source records that the field's value comes from, one entry per record for counts and sums; [] for none."""
    if map_field.source is None:
        return [Source("field_map", "constant", map_field.to, "value", map_field.value or "")]
    return SOURCES[map_field.source].origin(_view(facts))


def records(fields: Iterable[MapField], facts: Facts) -> dict[str, str]:
    """By field the records that its value was made from, in short: `customer 700101; order 9000, 9001`."""
    view, told = _view(facts), {}
    for field in fields:
        ids: dict[str, list[str]] = {}
        for source in SOURCES[field.source].origin(view) if field.source is not None else ():
            ids.setdefault(source.kind, []).append(source.id)
        told[field.to] = "; ".join(f"{kind} {', '.join(dict.fromkeys(found))}" for kind, found in ids.items())
    return told


def rule_of(field: MapField, field_map: FieldMap) -> str:
    """The line of the map that wants a field's value, in words."""
    what = f"from {field.source} as {field.form}" if field.source else f"constant '{field.value}'"
    return f"{what}, {field.policy} ({field_map.name}, line {field.line})"


def _view(facts: Facts) -> _View:
    orders = facts.orders
    counted = [order for order in orders if purchases.is_counted(order)]
    return _View(
        facts.customer,
        orders,
        facts.history_complete,
        counted,
        purchases.newest(orders),
        purchases.newest_counted(counted),
    )


# --- the account's custom fields -----------------------------------------------------------------------------------


def resolve(field_map: FieldMap, custom_fields: Sequence[CustomField]) -> ResolvedMap:
    """Finds each field in the account: by exact label, then label in any case, then merge tag in any case.

    The key is the merge tag, because reads are keyed by it; the label where the tag is blank. Where two rows of a map
    mean one field of the account (one by label, one by tag), the first has it and the second is missing.
    """
    labels = [(field.label, _key(field)) for field in custom_fields]
    ways = (
        _first_wins(labels),
        _first_wins((label.casefold(), key) for label, key in labels),
        _first_wins((field.merge_tag.casefold(), _key(field)) for field in custom_fields if field.merge_tag.strip()),
    )
    resolved = ResolvedMap([], [])
    taken: set[tuple[str, str]] = set()
    for field in field_map.fields:
        tries = zip(ways, (field.to, field.to.casefold(), field.to.casefold()), strict=True)
        key = field.to if field.kind == "builtin" else next((way[name] for way, name in tries if name in way), None)
        if key is None or (field.kind, key) in taken:
            resolved.missing.append(field)
        else:
            taken.add((field.kind, key))
            resolved.available.append((field, key))
    return resolved


class ReadNames:
    """How an account's custom fields are named in what is read, made once for all of its contacts.

    Reads are keyed by merge tag, seldom by label (not documented), so a value under the tag beats one under the label.
    """

    def __init__(self, custom_fields: Iterable[CustomField]) -> None:
        fields = list(custom_fields)
        tags = [(field.merge_tag, _key(field)) for field in fields if field.merge_tag.strip()]
        names = tags + [(field.label, _key(field)) for field in fields]
        self._exact = _first_wins(names)
        self._folded = _first_wins((name.casefold(), key) for name, key in names)

    def key(self, name: str) -> str:
        """The key under which this name is written; an unknown name stays as it is."""
        return self._exact.get(name) or self._folded.get(name.casefold()) or name

    def values(self, live: Mapping[str, object]) -> dict[str, str]:
        """A contact's live `customFields` under the keys we write; null is `""`."""
        values: dict[str, str] = {}
        direct: set[str] = set()
        for name, value in live.items():
            key = self.key(name)
            if name == key:
                direct.add(key)
            elif key in direct:
                continue
            values[key] = _live_text(value)
        return values


def _key(field: CustomField) -> str:
    return field.merge_tag if field.merge_tag.strip() else field.label


def _first_wins(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in pairs:
        if name:
            found.setdefault(name, key)
    return found


def _live_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


# --- reading the YAML ----------------------------------------------------------------------------------------------


def read_field_map(text: str, name: str) -> FieldMap:
    """A checked map from its YAML text; `name` (a file name) stands in messages only.

    Raises:
        BadSettings: anything is unknown, missing, twice or does not suit; the message starts `name:line:`.
    """
    file = _File(name)
    top = file.entries(file.compose(text), ("version", "fields"), ("version", "fields"), "the field map")
    version = top["version"]
    if not isinstance(version, ScalarNode) or version.tag != "tag:yaml.org,2002:int" or version.value != str(VERSION):
        file.refuse(version, f"version must be {VERSION}, the only form there is")
    rows = top["fields"]
    if not isinstance(rows, SequenceNode):
        file.refuse(rows, "fields must be a list of rows such as {to: City, from: customer.city, policy: mirror}")
    fields: dict[str, MapField] = {}
    for row in rows.value:
        field = file.field(row)
        folded = field.to.casefold()
        if folded in fields:
            file.refuse(row, f"'{field.to}' is already written by line {fields[folded].line} (in any case)")
        fields[folded] = field
    return FieldMap(VERSION, tuple(fields.values()), name, _fingerprint(fields))


def _fingerprint(fields: Mapping[str, MapField]) -> str:
    rows = [[row.to, row.kind, row.policy, row.source, row.value, row.form] for _, row in sorted(fields.items())]
    return hashlib.sha256(json.dumps([VERSION, rows]).encode()).hexdigest()


def _line(part: Node | Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


class _File:
    """One YAML text and its name, for messages that say where."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, where: Node | int, message: str) -> NoReturn:
        line = where if isinstance(where, int) else _line(where)
        raise BadSettings(f"{self.name}:{line}: {message}")

    def compose(self, text: str) -> Node:
        try:
            # The C composer recurses without a guard, so a text that nests without end is stopped at its events.
            depth = 0
            for event in yaml.parse(text, Loader=_LOADER):
                depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
                if depth > _DEEPEST:
                    self.refuse(_line(event), "not a field map: nested too deeply")
            root = yaml.compose(text, Loader=_LOADER)
        except (yaml.YAMLError, UnicodeError) as error:
            mark = getattr(error, "problem_mark", None)
            # A character that YAML forbids, or that is none, has a position instead.
            position = getattr(error, "position", getattr(error, "start", 0))
            line = mark.line if mark else text.count("\n", 0, position)
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
            self.refuse(line + 1, f"not YAML: {problem}")
        if root is None:
            self.refuse(1, "the field map is empty")
        return root

    def entries(self, node: Node, known: Sequence[str], needed: Sequence[str], what: str) -> dict[str, Node]:
        """The values of a mapping by key; every key known and given once, the needed ones given."""
        if not isinstance(node, MappingNode):
            self.refuse(node, f"{what} must be a mapping with the keys {', '.join(known)}")
        found: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or key.value not in known:
                shown = key.value if isinstance(key, ScalarNode) else "(not a text)"
                self.refuse(key, f"unknown key '{shown}' in {what}; there are {', '.join(known)}")
            if key.value in found:
                self.refuse(key, f"key '{key.value}' stands twice in {what}")
            found[key.value] = value
        for name in needed:
            if name not in found:
                self.refuse(node, f"{what} lacks the key '{name}'")
        return found

    def field(self, node: Node) -> MapField:
        row = self.entries(node, _KEYS, ("to", "policy"), "a field")
        kind = cast(Kind, self.choice(row, "kind", _KINDS, "custom"))
        policy = cast(Policy, self.choice(row, "policy", _POLICIES, ""))
        to = self.scalar(row["to"], "to")
        if kind == "builtin" and to not in BUILTINS:
            self.refuse(row["to"], f"'{to}' is no builtin field that may be written; there are {', '.join(BUILTINS)}")
        if ("from" in row) == ("value" in row):
            self.refuse(node, f"'{to}' needs either 'from' or 'value'" + (", not both" if "from" in row else ""))
        line = _line(node)
        if "value" in row:
            if "as" in row:
                self.refuse(row["as"], "'as' goes with 'from'; a constant is written as it stands")
            return MapField(to, kind, policy, None, self.scalar(row["value"], "value"), "text", line)
        source = self.choice(row, "from", SOURCES, "")
        form = self.choice(row, "as", FORMS, "text")
        given = SOURCES[source].type
        if given not in FORMS[form].types:
            fitting = ", ".join(name for name, other in FORMS.items() if given in other.types)
            self.refuse(row["as"], f"{source} is a {given} and cannot be written as '{form}'; it can as {fitting}")
        if kind == "builtin" and to == "birthday" and (given != "date" or form == "date"):
            self.refuse(row.get("as", row["from"]), f"birthday at {SIMPLETEXTING} is a date, written as iso_date")
        return MapField(to, kind, policy, source, None, form, line)

    def choice(self, row: Mapping[str, Node], key: str, known: Iterable[str], default: str) -> str:
        if key not in row:
            return default
        chosen = self.scalar(row[key], key)
        names = list(known)
        if chosen not in names:
            self.refuse(row[key], f"unknown '{chosen}' in '{key}'; there are {', '.join(names)}")
        return chosen

    def scalar(self, node: Node, what: str) -> str:
        if not isinstance(node, ScalarNode) or node.tag == "tag:yaml.org,2002:null" or not node.value.strip():
            self.refuse(node, f"'{what}' must be a text that is not blank")
        return str(node.value)
