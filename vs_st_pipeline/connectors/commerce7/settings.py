"""The settings of Commerce7 in a merchant's entry, section `commerce7` (orders.md 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Final

from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.platform.settings.forms import BaseUrl, Form, Reading, SecretValue, Whole, read_name_or_secret
from vs_st_pipeline.platform.settings.model import Claim, SettingsModel
from vs_st_pipeline.platform.settings.secrets import FORMS, Secret
from vs_st_pipeline.platform.settings.yaml_source import Node

USUAL_URL: Final = "https://api.commerce7.com/v1"
MOST_A_MINUTE: Final = 100  # the vendor's own limit for a tenant
_TENANT = re.compile(r"[a-z0-9-]{1,100}")
_A_TENANT: Final = "the tenant's id in small letters, digits and hyphens, such as hillside"


def _tenant(node: Node, reading: Reading) -> str:
    text = node.text()
    if not _TENANT.fullmatch(text):
        raise node.problem(f"expected {_A_TENANT}")
    return text


Tenant = Annotated[str, Form(_tenant, _A_TENANT)]
AppId = Annotated[Secret, Form(read_name_or_secret, f"the app's id, or {FORMS}")]


class Commerce7Settings(SettingsModel):
    """How to speak to Commerce7 for one merchant.

    Attributes:
        base_url: without a slash at the end.
        tenant: the winery, as Commerce7 names it.
        app_id, app_secret: of our app, the same for all tenants that installed it.
        requests_per_minute: at most so many in any 60 s, over all processes.
    """

    looks_beside: ClassVar[bool] = True

    base_url: Annotated[str, BaseUrl("/order", usual=USUAL_URL)] = USUAL_URL
    tenant: Tenant
    app_id: AppId
    app_secret: SecretValue
    requests_per_minute: Annotated[int, Whole(1, MOST_A_MINUTE)] = 90

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterator[Claim]:
        """Yield the tenant: two merchants of one would sell the same orders."""
        yield Claim((COMMERCE7, self.tenant), (COMMERCE7, "tenant"), "tenant")

    def doubts(self) -> Sequence[str]:
        if not self.base_url.endswith("/v1"):
            return (f"commerce7.base_url does not end in /v1, as the usual one does: {USUAL_URL}",)
        return ()
