"""Finds fields, words and types in an answer that are not documented; by name, never by value, and never with a crash.

Data flow: a raw body against what is known of its kind -> names of what is new.

The names are the vendors' own and describe no person: a field's path, or a word of an enumeration in upper case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from vs_st_pipeline.domain.formats import as_mapping

_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")

CUSTOMER = frozenset(
    [
        "id",
        "email",
        "firstName",
        "lastName",
        "primaryPhone",
        "memberships",
        "clubMember",
        "clubsOnHold",
        "creditCard",
        "dateOfBirth",
        "shippingAddress",
        "optedIntoMarketingEmails",
        "mailingAddress",
        "wholesale",
        "company",
        "customerSince",
        "fullName",
        "createdAt",
        "updatedAt",
    ]
)
ORDER = frozenset(
    [
        "orderNumber",
        "cartType",
        "sourceUrl",
        "status",
        "orderStatus",
        "customer",
        "shipToAddress",
        "products",
        "packs",
        "shipping",
        "packaging",
        "productDiscount",
        "shippingDiscount",
        "tipAmount",
        "extraFee",
        "extraFeeDetails",
        "extraFees",
        "extraFeesTotal",
        "extraFeesAdjusted",
        "taxes",
        "taxesTotal",
        "taxesAdjusted",
        "total",
        "platformCharges",
        "specialInstructions",
        "isCompliant",
        "orderProblems",
        "ageVerification",
        "purchasedAt",
        "canceledAt",
        "shippedAt",
        "deliveredAt",
        "cancelReason",
        "paymentMethod",
        "paymentMethodDisplayName",
        "store",
        "saleLocation",
        "fulfillmentAccount",
        "metaFields",
    ]
)
CONTACT = frozenset(
    [
        "contactId",
        "contactPhone",
        "firstName",
        "lastName",
        "email",
        "birthday",
        "lists",
        "customFields",
        "comment",
        "subscriptionStatus",
        "created",
        "updated",
        "updateSource",
    ]
)
ENUMS: Mapping[str, frozenset[str]] = {
    "order.status": frozenset(
        [
            "PENDING",
            "SUCCESS",
            "AGE_VERIFICATION_FAILED",
            "AGE_VERIFICATION_LOCKED",
            "DELETED",
            "PROBLEM",
            "PAYMENT_AUTHORIZED",
            "PAYMENT_CAPTURE_FAILED",
        ]
    ),
    "order.orderStatus": frozenset(
        [
            "OPEN",
            "NEW_MEMBER",
            "UNPAID",
            "LABELS_GENERATED",
            "SHIPPED",
            "DELIVERED",
            "PICKED_UP",
            "RETURNED",
            "CANCELLED",
            "PROBLEM",
        ]
    ),
    "contact.subscriptionStatus": frozenset(["OPT_IN", "OPT_OUT", "WAIT_SMS_CONFIRMATION", "REJECT_CONFIRMATION"]),
    "contact.updateSource": frozenset(
        [
            "IMPORTED_FROM_FILE",
            "PUBLIC_API",
            "MAILCHIMP_SYNC",
            "KEYWORD",
            "WEB_FORM",
            "MANUAL",
            "REMINDER",
            "ZAPIER",
            "WORKATO",
            "CONFIRMATION",
            "INCOMING_MESSAGE",
        ]
    ),
}
OBJECTS = {
    "customer": ("primaryPhone", "dateOfBirth", "shippingAddress"),
    "order": ("customer", "shipping"),
    "contact": ("customFields",),
}
_FIELDS = {"customer": CUSTOMER, "order": ORDER, "contact": CONTACT}
_WORDS = {kind: [(path, path.split(".")[1]) for path in ENUMS if path.startswith(f"{kind}.")] for kind in _FIELDS}
INSPECTED = {kind: (*OBJECTS[kind], *(name for _, name in _WORDS[kind])) for kind in _FIELDS}
"""The fields whose values are inspected; of all others only the names are."""


def unexpected_counts(kind: str, body: object) -> Counter[str]:
    """Count what is new in one body of this kind (`customer`, `order`, `contact`), by name."""
    return Counter(unexpected_names(kind, body))


def unexpected_names(kind: str, body: object) -> list[str]:
    """Return the same as a list, for callers with many bodies: a Counter for each costs more than the inspection."""
    found: list[str] = []
    raw = as_mapping(body)
    if not raw.keys() <= _FIELDS[kind]:
        for name in raw.keys() - _FIELDS[kind]:
            found.append(f"unknown field {kind}.{name if _NAME.fullmatch(name) else '(odd name)'}")
    for name in OBJECTS[kind]:
        value = raw.get(name)
        if value is not None and value != "" and not isinstance(value, Mapping):
            found.append(f"wrong type {kind}.{name}: {type(value).__name__}")
    for path, name in _WORDS[kind]:
        value = raw.get(name)
        if value is not None and not (isinstance(value, str) and value in ENUMS[path]):  # a list has no hash
            word = value if isinstance(value, str) and _WORD.fullmatch(value) else f"({type(value).__name__})"
            found.append(f"unknown word {path}: {word}")
    return found
