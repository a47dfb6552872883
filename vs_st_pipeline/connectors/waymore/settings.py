"""The settings of WayMore in a merchant's entry, section `waymore` (audience.md 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from vs_st_pipeline.platform.settings.forms import (
    Choice,
    Duration,
    Flag,
    ListOf,
    MappingOf,
    OrNull,
    Rate,
    SecretValue,
    Text,
    Whole,
)
from vs_st_pipeline.platform.settings.model import SettingsModel


class Endpoints(SettingsModel):
    """Where WayMore's three calls go."""

    auth: Text = "https://waymore.routee.net/api/authenticate"
    data: Text = "https://idata.routee.net/api/data"
    event: Text = "https://idata.routee.net/api/event"


class RegisterAs(SettingsModel):
    """What a shop says of itself when it is registered."""

    source: Text = "Custom"
    type: Text = "E-Commerce"
    version: Text = "1.0"
    plugin_version: Text = "1.0"


class Links(SettingsModel):
    """Templates of links, used where the source gives none."""

    product: OrNull[Text] = None
    cart: OrNull[Text] = None


class WaymoreSettings(SettingsModel):
    """How to speak to WayMore for one merchant, and what it is told."""

    source: OrNull[Choice[Literal["vinoshipper", "commerce7", "shop"]]] = None
    username: OrNull[SecretValue] = None
    password: OrNull[SecretValue] = None
    uuid: OrNull[SecretValue] = None
    domain: Text
    endpoints: Endpoints = Endpoints()
    discover: OrNull[Text] = None
    register_as: RegisterAs = RegisterAs()
    requests_per_second: Rate = 5.0
    part_records: Annotated[int, Whole(1, 1000)] = 100
    part_bytes: Annotated[int, Whole(10_000, 10_485_760)] = 1_048_576
    history: Choice[Literal["send", "skip"]] = "send"
    history_slice: Duration = timedelta(minutes=5)
    block_names: Choice[Literal["lower", "capitalised"]] = "lower"
    dates: Choice[Literal["iso", "dmy", "mdy"]] = "iso"
    extras: Flag = True
    ack: Choice[Literal["message", "status"]] = "message"
    on_unknown: Choice[Literal["resend", "hold"]] = "resend"
    late_after: Duration = timedelta(hours=24)
    people: Choice[Literal["all", "opted_in"]] = "all"
    minimum_age: OrNull[Annotated[int, Whole(0, 120)]] = None
    require_age_evidence: Flag = False
    guest_carts: Flag = False
    links: Links = Links()
    events: MappingOf[Flag] = {}
    only: OrNull[ListOf[Text]] = None
