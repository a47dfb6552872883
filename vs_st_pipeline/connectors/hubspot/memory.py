"""Keeps what one sync learns of an account, so that the next request is put right from the start."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.crm import CrmField, Target, TargetInfo


@dataclass(slots=True)
class Memory:
    """What is known of the account by now.

    Attributes:
        fields, targets: as they were read at the beginning.
        record_ids: ids that answers to writes named, by address: such a record is there though no read shows it yet.
        conflicts: addresses that were refused once because a record is there.
        opted_out: address and subscription type of everybody whom a look showed as opted out.
        unheard_of: addresses of which HubSpot had never heard when they were looked at first.
        shown: somebody whom answers to a call show, by its key: beside them an answer that shows nobody else means it.
        no_basis: the portal refuses a legal basis, because its data privacy settings are off.
        doubts: sentences for people; grows.
    """

    fields: dict[str, CrmField] = field(default_factory=dict)
    targets: dict[Target, TargetInfo] = field(default_factory=dict)
    record_ids: dict[str, str] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    opted_out: set[tuple[str, str]] = field(default_factory=set)
    unheard_of: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    no_basis: bool = False
    doubts: list[str] = field(default_factory=list)

    def doubt(self, sentence: str) -> None:
        """Note a sentence for people, once."""
        if sentence not in self.doubts:
            self.doubts.append(sentence)

    def is_usable(self, target: Target) -> bool:
        """Say whether anybody can be subscribed there."""
        info = self.targets.get(target)
        return info is None or info.missing is None


def address(text: object) -> str:
    """Return an e-mail address as one is compared: in any case it is the same."""
    return unicodedata.normalize("NFC", text).strip().lower() if isinstance(text, str) else ""


def parts_of(value: Any) -> list[str]:
    """Return the parts of a value that holds several, with `;` between."""
    return [part for part in (one.strip() for one in str(value or "").split(";")) if part]
