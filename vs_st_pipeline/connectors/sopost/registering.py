"""Tells SoPost where to call: it documents how a webhook is registered, and neither a list nor a removal (3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vs_st_pipeline.connectors.sopost.client import SoPostClient
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.domain.errors import BadSettings, Refused

BY_HAND: Final = (
    "name its organisation or campaigns in sopost.entity_ids and run `vs-st webhooks register`; SoPost documents no "
    "way to list or remove a webhook, so one that is not wanted any more is removed by SoPost's own people"
)
_THERE: Final = 409


class SoPostTeller:
    """Tells one account our URL, once for its organisation or for each campaign."""

    def __init__(self, client: SoPostClient) -> None:
        self._client = client

    def places(self) -> Sequence[str]:
        settings = self._client.settings
        return [f"{settings.entity_type} {one}" for one in settings.entity_ids]

    def tell(self, place: str, url: str) -> str:
        _, _, entity_id = place.partition(" ")
        try:
            status = self._client.register(url, entity_id)
        except Refused as refused:
            if refused.http_status == _THERE:
                return f"{place}: SoPost says that it has this webhook already (409)"
            if refused.http_status == 404:
                raise BadSettings(
                    f"SoPost knows no {place}, or does not let this key see it: are sopost.entity_type and entity_ids "
                    "right?",
                    system=SOPOST,
                    call="register",
                    http_status=404,
                ) from None
            raise
        return "" if status == 201 else f"{place}: SoPost answered {status} and not 201; taken as registered"
