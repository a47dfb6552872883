"""Names the fields and words of SimpleTexting's records that are documented; what else comes is told by name."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.schema_drift import KnownFields

KNOWN_CONTACT: Final = KnownFields(
    kind="contact",
    names=frozenset(
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
    ),
    objects=("customFields",),
    words={
        "subscriptionStatus": frozenset(["OPT_IN", "OPT_OUT", "WAIT_SMS_CONFIRMATION", "REJECT_CONFIRMATION"]),
        "updateSource": frozenset(
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
    },
)
