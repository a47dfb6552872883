"""Says who is processed: a merchant that has bought the service and pays for texting, until it ends.

No API tells whether an account is paid, so a person says it, by dates (webhooks-onboarding.md, 9.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from vs_st_pipeline.platform.settings.forms import AnyDate, OrNull
from vs_st_pipeline.platform.settings.model import Off, SettingsModel

PENDING: Final = "pending"
ENDED: Final = "ended"
NOT_RECORDED: Final = "service is not recorded"


class ServiceSettings(SettingsModel):
    """What may stand under `service`; a date may lie in the future.

    Attributes:
        bought_on: when the merchant bought the service. paid_texting_since: since when its texting account is paid.
        ended_on: the first day on which it is not served any more.
    """

    bought_on: OrNull[AnyDate] = None
    paid_texting_since: OrNull[AnyDate] = None
    ended_on: OrNull[AnyDate] = None

    def off_because(self, today: date) -> Off | None:
        """Return why the merchant is not active on this day, None where it is (R32)."""
        if self.ended_on is not None and self.ended_on <= today:
            return Off(ENDED, f"service.ended_on is {self.ended_on}", "Nothing, or put service.ended_on right.")
        if missing := list(self._missing(today)):
            return Off(PENDING, ", ".join(missing), "Write the day under service once it is known.")
        return None

    def _missing(self, today: date) -> Iterator[str]:
        for name in ("bought_on", "paid_texting_since"):
            day: date | None = getattr(self, name)
            if day is None:
                yield f"service.{name} is not set"
            elif day > today:
                yield f"service.{name} is {day}, which is to come"
