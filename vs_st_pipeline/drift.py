"""What an answer holds that nobody told us of: fields, words and types. Counted by name, never by value, never a crash.

Data flow: a raw body against what is known of its kind -> names of what is new.

The names are the vendors' own and describe nobody: a field's path, or a word of an enumeration in upper case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from vs_st_pipeline.text_forms import as_mapping

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
WORDS: Mapping[str, frozenset[str]] = {
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


def drift_of(kind: str, body: object) -> Counter[str]:
    """What is new in one body of this kind (`customer`, `order`, `contact`), by name."""
    found: Counter[str] = Counter()
    raw = as_mapping(body)
    for name in raw.keys() - _FIELDS[kind]:
        found[f"unknown field {kind}.{name if _NAME.fullmatch(name) else '(odd name)'}"] += 1
    for name in OBJECTS[kind]:
        value = raw.get(name)
        if value is not None and value != "" and not isinstance(value, Mapping):
            found[f"wrong type {kind}.{name}: {type(value).__name__}"] += 1
    for path, known in WORDS.items():
        owner, name = path.split(".")
        value = raw.get(name)
        if owner == kind and value is not None and value not in known:
            word = value if isinstance(value, str) and _WORD.fullmatch(value) else f"({type(value).__name__})"
            found[f"unknown word {path}: {word}"] += 1
    return found
