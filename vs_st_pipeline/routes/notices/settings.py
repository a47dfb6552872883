"""The settings of this route, section `notices` of a merchant's entry (notices.md 2)."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Literal

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings, Number, TemplateSettings
from vs_st_pipeline.platform.settings.forms import (
    Choice,
    DefaultOrFile,
    Duration,
    Flag,
    ListOf,
    MappingOf,
    OrNull,
    OwnFile,
    PastDate,
    Text,
    Wait,
    Whole,
)
from vs_st_pipeline.platform.settings.model import SettingsModel

OPT_IN_KINDS = ("eshopbox_flag", "gupshup_event", "gupshup_list", "attestation")


class NotificationSettings(SettingsModel):
    """One status's message.

    Attributes:
        template: for the client's account; with the house selected, the house's counts alone.
        max_age: None: 24h, `created` 12h. quiet_hours: `ignore` is for this one.
    """

    enabled: Flag = False
    template: OrNull[TemplateSettings] = None
    max_age: OrNull[Duration] = None
    quiet_hours: Choice[Literal["keep", "ignore"]] = "keep"


class QuietHours(SettingsModel):
    """When nobody is written: from, to (`HH:MM`), by the recipient's or the merchant's zone."""

    start: time  # `from` in the file
    end: time  # `to`
    zone: Choice[Literal["recipient", "merchant"]] = "recipient"


class Cap(SettingsModel):
    """How many notices one phone gets from one number in a rolling window."""

    messages: Annotated[int, Whole(1, 1_000_000)] = 6
    window: Wait = timedelta(hours=24)
    exempt: ListOf[Text] = ("failed_delivery",)


class Attestation(SettingsModel):
    """Who says that customers opt in when they order, in which words, and since when."""

    text: Text
    by: Text
    since: PastDate  # `from` in the file


class Unexpected(SettingsModel):
    """What a client answers to replies that lead to no action (8.5)."""

    enabled: Flag = False
    text: OrNull[Text] = None
    template: OrNull[TemplateSettings] = None


class Said(SettingsModel):
    """An answer: a text, or a template."""

    text: OrNull[Text] = None
    template: OrNull[TemplateSettings] = None


class ActivitySettings(SettingsModel):
    """Where each row of activity is told (8.6)."""

    push_url: OrNull[Text] = None
    push_headers: MappingOf[Text] = {}


class ChargesConfirmed(SettingsModel):
    """Who confirmed that messages of the house's account are billed, and when."""

    by: Text
    date: PastDate


class NoticesSettings(SettingsModel):
    """What may stand under `notices` in a merchant's entry.

    Attributes:
        accounts: the installed accounts, in the order of installation; a house account is looked up at the top.
        use: `auto` (2.2), or the kind that the client selected.
        countries: whose phones may be messaged. default_country: for addresses that name none.
        notifications: by status; absent: disabled. confirmations: by action key.
        quiet_hours: None: none. only_to: a rehearsal; None: it is none.
        charges_confirmed: of the house's account.
    """

    accounts: tuple[GupshupAccount, ...] = ()  # read by a Form of its own, with the house's accounts beside
    charges_confirmed: ChargesConfirmed | None = None
    use: Choice[Literal["auto", "client", "house"]] = "auto"
    countries: ListOf[Text]
    default_country: OrNull[Text] = None
    opt_in: ListOf[Text] = ("eshopbox_flag", "gupshup_event", "gupshup_list")
    attestation: OrNull[Attestation] = None
    notifications: MappingOf[NotificationSettings] = {}
    statuses: DefaultOrFile = OwnFile()
    replies: DefaultOrFile = OwnFile()
    quiet_hours: QuietHours | None = QuietHours(start=time(21), end=time(8))
    cap: Cap = Cap()
    settle: Duration = timedelta(seconds=60)
    confirm_wait: Duration = timedelta(minutes=15)
    source_max_age: Duration = timedelta(hours=1)
    flood_limit: Annotated[int, Whole(1, 1_000_000)] = 500
    shared_phone_limit: Annotated[int, Whole(1, 1_000_000)] = 5
    allow_marketing_templates: Flag = False
    brand: OrNull[Text] = None
    samples: MappingOf[Text] = {}
    only_to: OrNull[ListOf[Number]] = None
    unexpected: Unexpected = Unexpected()
    confirmations: MappingOf[Said] = {}
    activity: ActivitySettings = ActivitySettings()

    def gupshup(self) -> GupshupSettings:
        """Return what the merchant sends by, as 2.2 selects it."""
        kinds = {one.kind: one for one in self.accounts}
        if self.use != "auto":
            return GupshupSettings(accounts=self.accounts, selected=kinds.get(self.use))
        return GupshupSettings(accounts=self.accounts, selected=self.accounts[0] if self.accounts else None)

    def max_age(self, status: str) -> timedelta:
        """Return how old a status may be that is still announced."""
        own = self.notifications.get(status)
        if own is not None and own.max_age is not None:
            return own.max_age
        return timedelta(hours=12 if status == "created" else 24)

    def enabled(self, status: str) -> bool:
        """Say whether a status is announced."""
        own = self.notifications.get(status)
        return own is not None and own.enabled


_ = date
