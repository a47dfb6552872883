"""The accounts at Gupshup: a merchant's own, and the house's that several merchants share (notices.md 2).

Neither is a section of an entry: a house account stands under `gupshup_accounts` at the top of the file, a client's
under `notices.accounts` of its entry. What a merchant sends by is `GupshupSettings`; the entry's `notices` implies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Final, Literal

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.template_settings import (
    Said,
    TemplateParam,
    TemplateSettings,
    read_exceptions,
)
from vs_st_pipeline.domain.hints import name_of_account
from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    Form,
    MappingOf,
    OrNull,
    PastDate,
    Rate,
    Reading,
    SecretValue,
    Text,
)
from vs_st_pipeline.platform.settings.model import Claim, SettingsModel, validate
from vs_st_pipeline.platform.settings.shared import SharedSection
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks
from vs_st_pipeline.platform.settings.yaml_source import LACK, Node

__all__ = ["Said", "TemplateParam", "TemplateSettings"]

URL = "https://api.gupshup.io"
HOUSE, CLIENT = "house", "client"
TOP_KEY: Final = "gupshup_accounts"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_WHOLE = re.compile(r"[1-9][0-9]{0,9}")
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,4})?")


def read_number(node: Node, reading: Reading) -> str:
    """Read a phone number. Raises SettingsFault: it is not E.164 with `+`."""
    expected = 'a number in E.164 with its +, in quotes, such as "+919810000001"'
    if not _NUMBER.fullmatch(written := node.written(expected).strip()):
        raise node.problem(f"expected {expected}")
    return written


def _recipients(node: Node, reading: Reading) -> int | None:
    expected = "unlimited, or a number of people, such as 1000"
    if (written := node.written(expected)) == "unlimited":
        return None
    if not _WHOLE.fullmatch(written):
        raise node.problem(f"expected {expected}")
    return node.integer()


def _amount(node: Node, reading: Reading) -> Decimal:
    expected = 'an amount in quotes, such as "0.80"'
    written = node.written(expected).strip()
    if not isinstance(node.scalar(), str):  # a number is a float to YAML's other readers, and money is none
        raise node.problem(f"expected {expected}")
    try:
        if not _AMOUNT.fullmatch(written):
            raise InvalidOperation
        return Decimal(written)
    except InvalidOperation:
        raise node.problem(f"expected {expected}") from None


def _currency(node: Node, reading: Reading) -> str:
    written = node.text()
    if not re.fullmatch(r"[A-Z]{3}", written):
        raise node.problem("expected a currency's three letters, such as INR")
    return written


Number = Annotated[str, Form(read_number, 'a number such as "+919810000001"')]


class Price(SettingsModel):
    """What the house takes for a charged message.

    Attributes:
        amount: in quotes. currency: three letters.
    """

    amount: Annotated[Decimal, Form(_amount, 'an amount in quotes, such as "0.80"')]
    currency: Annotated[str, Form(_currency, "a currency's three letters, such as INR")]


class AccountKeys(SettingsModel):
    """What a client's account and the house's have alike.

    Attributes:
        base_url: without a slash at the end. api_key: of the account. app_name, app_id: of its app.
        number: the registered number, E.164. number_form: how the number is written in a call.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        daily_recipients: people in 24 hours, as the number's tier allows.
    """

    base_url: Annotated[str, BaseUrl("/wa/api/v1/template/msg", usual=URL)] = URL
    api_key: SecretValue
    app_name: Text
    app_id: Text
    number: Number
    number_form: Choice[Literal["digits", "plus"]] = "digits"
    requests_per_second: Rate = 5.0
    daily_recipients: Annotated[int | None, Form(_recipients, "unlimited, or a number of people")] = 1000

    def stands_once(self, *where: str | int) -> Iterable[Claim]:
        """Return what may stand once in the file.

        Args:
            where: the keys under which the account stands in its entry; none for one at the top.
        """
        yield Claim((GUPSHUP, "number", self.number), (*where, "number"), "number", whoever=True)
        yield Claim((GUPSHUP, "app_id", self.app_id), (*where, "app_id"), "app_id", whoever=True)


class HouseAccount(AccountKeys, SystemWebhooks):
    """An account at the top of the file; its URL's generation and proofs stand beside its keys (R36, R10).

    Attributes:
        templates: by status: what is sent by this account. exceptions: what is answered to replies that lead to
            nothing.
        price: what the house takes for a charged message.
    """

    templates: MappingOf[TemplateSettings] = {}
    exceptions: Annotated[
        Mapping[str, Said | None] | None, Form(read_exceptions, "default, or a mapping of kinds of replies")
    ] = None
    price: OrNull[Price] = None

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterable[Claim]:
        """Return its number and app, which may stand once in the file."""
        return self.stands_once()


class ClientAccount(AccountKeys):
    """A merchant's own account."""

    kind: Choice[Literal["client"]]


class ChargesConfirmed(SettingsModel):
    """Who confirmed that messages of the house's account are billed, and when.

    Attributes:
        by: a person. date: when.
    """

    by: Text
    date: PastDate


class HouseUse(SettingsModel):
    """What an entry says of an account of the house that it uses."""

    kind: Choice[Literal["house"]]
    account: Annotated[str, Form(lambda node, reading: node.text(), f"the id of one under `{TOP_KEY}`")]
    charges_confirmed: OrNull[ChargesConfirmed] = None


class GupshupAccount(AccountKeys):
    """One account as it is used.

    Attributes:
        id: slug of a house account; `client:MERCHANT` of a client's.
        kind: `house` or `client`. number: the registered number, E.164.
        templates, exceptions, price: of the house only. exceptions: None means `default`.
        charges_confirmed: of the house only, by the merchant that uses it; None: nobody agreed to be billed.
        webhooks: generation and proofs of the account's own URL; a client's are its entry's.
    """

    id: str
    kind: str
    templates: Mapping[str, TemplateSettings] = {}
    exceptions: Mapping[str, Said | None] | None = None
    price: Price | None = None
    charges_confirmed: ChargesConfirmed | None = None
    webhooks: SystemWebhooks = SystemWebhooks()

    @property
    def inbox_name(self) -> str:
        """Return whom its callbacks stand under in the inbox: `account:ID`, of a client's account the merchant's id."""
        return name_of_account(self.id) if self.kind == HOUSE else self.id.removeprefix(f"{CLIENT}:")


def house_account(account_id: str, found: HouseAccount) -> GupshupAccount:
    """Return an account of the top of the file as it is used."""
    webhooks = SystemWebhooks(**{key: getattr(found, key) for key in SystemWebhooks.model_fields})
    return GupshupAccount(
        id=account_id,
        kind=HOUSE,
        **_keys(found),
        templates=found.templates,
        exceptions=found.exceptions,
        price=found.price,
        webhooks=webhooks,
    )


def client_account(merchant: str, found: ClientAccount) -> GupshupAccount:
    """Return a merchant's own account as it is used."""
    return GupshupAccount(id=f"{CLIENT}:{merchant}", kind=CLIENT, **_keys(found))


def _keys(found: AccountKeys) -> dict[str, Any]:
    return {key: getattr(found, key) for key in AccountKeys.model_fields}


def read_installed(node: Node, reading: Reading) -> GupshupAccount:
    """Read one account that an entry installs: its own, or the name of one of the house's.

    Raises:
        SettingsFault: it cannot be used, or the house's cannot.
    """
    kind = node.children().get("kind")
    if kind is None:
        raise node.problem(f"kind is missing; write one of: {CLIENT}, {HOUSE}", LACK)
    if kind.choice((CLIENT, HOUSE)) == CLIENT:
        return client_account(reading.merchant, validate(ClientAccount, node, node, reading))
    use, name = validate(HouseUse, node, node, reading), node.children()["account"]
    if reading.shared is None:
        raise name.problem(f"no such account; there is none under `{TOP_KEY}` at the top of the file")
    found, _ = reading.shared.find(TOP_KEY, name, reading)
    return house_account(use.account, found).model_copy(update={"charges_confirmed": use.charges_confirmed})


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


SHARED: Final = SharedSection(TOP_KEY, GUPSHUP, HouseAccount)
