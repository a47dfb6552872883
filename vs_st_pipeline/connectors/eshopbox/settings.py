"""The settings of Eshopbox in a merchant's entry, section `eshopbox` (notices.md 2; the proof of its hooks: R10)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    Duration,
    Form,
    Interval,
    Rate,
    Reading,
    SecretValue,
    Text,
    TimeZone,
)
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.yaml_source import Node

URL = "https://wms.eshopbox.com"
TOKEN_URL = "https://auth.myeshopbox.com/api/v1/generateToken"
_SLUG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_A_SLUG: Final = "the workspace's slug without blanks, the first part of its own address, such as kapaskraft"


def _slug(node: Node, reading: Reading) -> str:
    written = node.text()
    if not _SLUG.fullmatch(written):
        raise node.problem(f"expected {_A_SLUG}")
    return written


class Refresh(SettingsModel):
    """How often what is read.

    Attributes:
        orders: the list of new orders. open_orders: units without an ending status. reconcile: 14 days' walk.
            Zero means in every sync.
    """

    orders: Interval = timedelta(minutes=5)
    open_orders: Interval = timedelta(hours=1)
    reconcile: Interval = timedelta(hours=24)


class EshopboxSettings(SettingsModel):
    """A workspace.

    Attributes:
        time_zone: of its times, which carry none.
        status_basis: `auto`: a hook's word counts where no read can show a status (with a header's proof, R12).
        action_source: `actionSource` of a call; `none`: the key is left out.
        history_from: how far back the first walk goes.
        workspace: its name, as hooks say it. client_id, client_secret, refresh_token: of the app that Eshopbox gave.
        workspace_url, base_url: where its calls go. auth_url: where a token is got.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        deferred_date_format: how a day is written that a delivery is put off to.
    """

    workspace: Annotated[str, Form(_slug, _A_SLUG)]
    client_id: SecretValue
    client_secret: SecretValue
    refresh_token: SecretValue
    workspace_url: Annotated[str, BaseUrl("/api/v1/orders/erp", usual="https://WORKSPACE.myeshopbox.com")]
    base_url: Annotated[str, BaseUrl("/api/order", usual=URL)] = URL
    auth_url: Annotated[str, BaseUrl("", usual=TOKEN_URL)] = TOKEN_URL
    requests_per_second: Rate = 1.0
    time_zone: TimeZone = ZoneInfo("Asia/Kolkata")
    status_basis: Choice[Literal["auto", "read"]] = "auto"
    deferred_date_format: Choice[Literal["yyyy-mm-dd", "dd-mm-yyyy"]] = "yyyy-mm-dd"
    action_source: Text = "whatsapp"
    history_from: Duration = timedelta(days=14)
    refresh: Refresh = Refresh()
