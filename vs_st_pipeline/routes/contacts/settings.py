"""The settings of this route; their keys stand in a merchant's entry itself, as they did before there were routes."""

from __future__ import annotations

from typing import ClassVar, Literal

from vs_st_pipeline.platform.settings.forms import Choice, DefaultOrFile, Flag, OwnFile
from vs_st_pipeline.platform.settings.model import SettingsModel


class ContactsSettings(SettingsModel):
    """What a merchant decides about its contacts.

    Attributes:
        field_map: which values are written, and how.
        on_ambiguous_phone: what to do where several customers have one phone: take one by rule, or hold the contact.
        require_age_evidence: hold contacts whose age is not known.
    """

    top_level: ClassVar[bool] = True

    field_map: DefaultOrFile = OwnFile()
    on_ambiguous_phone: Choice[Literal["newest_order", "hold"]] = "newest_order"
    require_age_evidence: Flag = False
