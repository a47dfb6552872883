"""The accounts at Gupshup: a merchant's own, and the house's that several merchants share (notices.md 2).

Neither is a section of an entry: a house account stands under `gupshup_accounts` at the top of the file, a client's
under `notices.accounts` of its entry. What a merchant sends by is `GupshupSettings`, which the entry's `notices` implies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    Form,
    ListOf,
    OrNull,
    Rate,
    Reading,
    SecretValue,
    Text,
)
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks
from vs_st_pipeline.platform.settings.yaml_source import Node

URL = "https://api.gupshup.io"
HOUSE, CLIENT = "house", "client"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


def read_number(node: Node, reading: Reading) -> str:
    """Read a phone number. Raises SettingsFault: it is not E.164 with `+`."""
    written = node.text()
    if not _NUMBER.fullmatch(written):
        raise node.problem('expected a number in E.164 with its +, in quotes, such as "+919810000001"')
    return written


def _recipients(node: Node, reading: Reading) -> int | None:
    expected = "unlimited, or a number of people, such as 1000"
    if node.written(expected) == "unlimited":
        return None
    found = node.number()
    if found != int(found) or found < 1:
        raise node.problem(f"expected {expected}")
    return int(found)


Number = Annotated[str, Form(read_number, 'a number such as "+919810000001"')]


class TemplateParam(SettingsModel):
    """What fills one placeholder: a variable (with what stands in for a missing value), or a fixed text."""

    variable: OrNull[Text] = None
    fallback: OrNull[Text] = None  # `else` in the file
    text: OrNull[Text] = None


class TemplateSettings(SettingsModel):
    """A template of an account, and what its placeholders and quick replies mean.

    Attributes:
        params: one per placeholder, in order.
        buttons: action keys by index of the quick reply; None: that button does nothing of ours.
    """

    id: Text
    params: ListOf[TemplateParam] = ()
    buttons: ListOf[OrNull[Text]] = ()


class Price(SettingsModel):
    """What the house takes for a charged message."""

    amount: Decimal
    currency: Text


class _Account(SettingsModel):
    base_url: Annotated[str, BaseUrl("/wa/api/v1/template/msg", usual=URL)] = URL
    api_key: SecretValue
    app_name: Text
    app_id: Text
    number: Number
    number_form: Choice[Literal["digits", "plus"]] = "digits"
    requests_per_second: Rate = 5.0
    daily_recipients: Annotated[int | None, Form(_recipients, "unlimited, or a number of people")] = 1000


class GupshupAccount(_Account):
    """One account.

    Attributes:
        id: slug of a house account; `client:MERCHANT` of a client's.
        kind: `house` or `client`. number: the registered number, E.164.
        templates, exceptions, price: of the house only (2, 8.5). exceptions: None means `default`.
        webhooks: generation and proofs of the account's own URL (routes.md R9, R10, R36); a client's are its entry's.
    """

    id: str
    kind: str
    templates: Mapping[str, TemplateSettings] = {}
    exceptions: Mapping[str, object] | None = None
    price: Price | None = None
    webhooks: SystemWebhooks = SystemWebhooks()

    @property
    def digits(self) -> str:
        """Return the number without its `+`."""
        return self.number.removeprefix("+")


class GupshupSettings(SettingsModel):
    """What a merchant sends by; implied by the entry's `notices`.

    Attributes:
        accounts: those that the entry installs, in the order of installation.
        selected: by 2.2; None: none is installed.
    """

    implied: ClassVar[bool] = True
    accounts: tuple[GupshupAccount, ...] = ()
    selected: GupshupAccount | None = None

    @property
    def client(self) -> GupshupAccount | None:
        """Return the merchant's own account, whose callbacks come by the merchant's own URL."""
        return next((one for one in self.accounts if one.kind == CLIENT), None)
