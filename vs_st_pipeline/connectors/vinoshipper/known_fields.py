"""Names the fields and words of Vinoshipper's records that are documented; what else comes is told by name."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.schema_drift import KnownFields

KNOWN_CUSTOMER: Final = KnownFields(
    kind="customer",
    names=frozenset(
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
    ),
    objects=("primaryPhone", "dateOfBirth", "shippingAddress"),
    words={},
)

KNOWN_ORDER: Final = KnownFields(
    kind="order",
    names=frozenset(
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
    ),
    objects=("customer", "shipping"),
    words={
        "status": frozenset(
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
        "orderStatus": frozenset(
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
    },
)
