"""The settings of this route; their keys stand in a merchant's entry itself, as they did before there were routes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Literal

from vs_st_pipeline.platform.settings.forms import Choice, DefaultOrFile, Flag, OrNull, OwnFile
from vs_st_pipeline.platform.settings.model import Off, SettingsModel
from vs_st_pipeline.routes.contacts.service import NOT_RECORDED, ServiceSettings


class ContactsSettings(SettingsModel):
    """What a merchant decides about its contacts.

    Attributes:
        field_map: which values are written, and how.
        on_ambiguous_phone: what to do where several customers have one phone: take one by rule, or hold the contact.
        require_age_evidence: hold contacts whose age is not known.
        service: since when the merchant is served, and until when; None: not recorded, and so served.
    """

    top_level: ClassVar[bool] = True

    field_map: DefaultOrFile = OwnFile()
    on_ambiguous_phone: Choice[Literal["newest_order", "hold"]] = "newest_order"
    require_age_evidence: Flag = False
    service: OrNull[ServiceSettings] = None

    def off_because(self, today: date) -> Off | None:
        """Return why the merchant is not active (webhooks-onboarding.md, 9.3); None where it is."""
        return self.service.off_because(today) if self.service else None

    def doubts(self) -> Sequence[str]:
        """Say that nobody recorded whether the merchant is served."""
        return () if self.service else (NOT_RECORDED,)
