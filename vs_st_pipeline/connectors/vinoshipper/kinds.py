"""Describes Vinoshipper's records: their ids, and the keys whose absence is no statement (fact sheet, 4 and 5)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.birth import says_a_birth
from vs_st_pipeline.domain.records import RecordKind

_MEMBERSHIP: Final = ("memberships!", "memberships[].dateJoined", "memberships[].hold!")

# The documented type of a detail says that the last name is a text; `firstName` may be absent, all else may be null.
CUSTOMER: Final = RecordKind(
    system=VINOSHIPPER,
    name="customer",
    id_keys=("id",),
    always=("id", "lastName"),
    documented=(
        *("firstName", "email", "primaryPhone", "primaryPhone.number", "primaryPhone.country"),
        *("shippingAddress", "shippingAddress.city", "shippingAddress.stateCode"),
        *(f"shippingAddress.{key}" for key in ("street1", "street2", "postalCode", "country")),
        "optedIntoMarketingEmails!",
        *(*_MEMBERSHIP, "memberships[].clubName!|club"),
    ),
    sticky={"dateOfBirth": says_a_birth},
)

LISTED_CUSTOMER: Final = RecordKind(
    system=VINOSHIPPER,
    name="customer",
    id_keys=("id",),
    documented=(
        *("firstName", "lastName", "email", "primaryPhone", "primaryPhone.number", "primaryPhone.country"),
        *(*_MEMBERSHIP, "memberships[].clubName!|club"),
    ),
)

ORDER: Final = RecordKind(
    system=VINOSHIPPER,
    name="order",
    id_keys=("orderNumber",),
    always=("orderNumber", "status", "orderStatus", "total"),
    documented=(
        *("customer!", "customer.id", "customer.customerSince", "purchasedAt", "shippedAt", "deliveredAt", "cartType"),
        *("shipping!", "shipping.carrier", "shipping.rateCode", "shipping.rateDescription", "shipping.packages!"),
        *("shipping.packages[].carrier", "shipping.packages[].trackingNumber"),
    ),
    sticky={"customer.dateOfBirth": says_a_birth},
    named={"customer": "id"},
)

# Its shape is not documented. A receipt without a number is believed if it says anything at all.
RECEIPT: Final = RecordKind(system=VINOSHIPPER, name="receipt", id_keys=("orderNumber",), id_required=False)
