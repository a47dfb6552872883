"""The settings of WayMore in a merchant's entry, section `waymore` (audience.md 2; routes.md R66)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import model_validator

from vs_st_pipeline.connectors.waymore.names import WAYMORE
from vs_st_pipeline.platform.settings.forms import (
    Choice,
    Duration,
    Flag,
    Form,
    ListOf,
    OrNull,
    Rate,
    Reading,
    SecretValue,
    Text,
    Whole,
    collected,
    read_duration,
    url_fault,
)
from vs_st_pipeline.platform.settings.model import Claim, SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.yaml_source import Node, SettingsFault

SOURCES: Final = ("vinoshipper", "commerce7", "shop")
EVENTS: Final = (
    "CustomerAdd", "CustomerUpdate", "CartUpdate", "ProductAdd", "ProductUpdate", "ProductStockUpdate",
    "ProductOutOfStock", "OrderAdd", "OrderStatusUpdate", "OrderPaymentConfirmed", "WishlistAdd", "WishlistDelete",
    "Newsletter", "Search",
)  # fmt: skip
OF_AGE: Final = 21
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LEAST_LATE: Final = timedelta(hours=1)


def is_good_url(url: str) -> bool:
    """Say whether calls may go to a URL: https, or a loopback's http, with a host and without user or password."""
    return url_fault(url) is None


def _url(node: Node, reading: Reading) -> str:
    url = node.text()
    if (fault := url_fault(url)) is not None:
        raise node.problem(fault)
    return url


def _late_after(node: Node, reading: Reading) -> timedelta:
    late = read_duration(node)
    if late < _LEAST_LATE:
        raise node.problem("late_after is 1h or more: what is younger goes as an event")
    return late


def _events(node: Node, reading: Reading) -> dict[str, Node]:
    given = dict(node.children())
    for name, value in given.items():
        if name not in EVENTS:
            why = "Uninstall is sent by `vs-st disconnect` alone" if name == "Uninstall" else "there is no such event"
            raise value.problem(f"{why}; those that can be switched are {', '.join(EVENTS)}")
        if name == "Newsletter" and not value.boolean():
            raise value.problem("Newsletter cannot be switched off: an unsubscribe must always be able to go")
    return given


def _template(*placeholders: str) -> Form:
    names = ", ".join(f"{{{one}}}" for one in placeholders) or "no placeholder"

    def read(node: Node, reading: Reading) -> str:
        text = node.text()
        unknown = [name for name in _PLACEHOLDER.findall(text) if name not in placeholders]
        bare = _PLACEHOLDER.sub("x", text)
        if unknown or "{" in bare or "}" in bare:
            raise node.problem(f"the template may hold {names} and nothing else in braces")
        if (fault := url_fault(bare.replace("?", "/").replace("#", "/"))) is not None:
            raise node.problem(fault)
        if not text.startswith("https://"):
            raise node.problem("a link begins with https://")
        return text

    return Form(read, f"an https:// template with {names}")


Url = Annotated[str, Form(_url, "a URL such as https://waymore.routee.net/api/authenticate")]
LateAfter = Annotated[timedelta, Form(_late_after, "a duration of 1h or more, such as 24h")]
Switches = Annotated[dict[str, Flag], Form(_events, "a mapping of events to true or false")]


class Endpoints(SettingsModel):
    """Where WayMore's three calls go; what is written here wins over what `discover` tells.

    Attributes:
        auth: registers. data: takes history. event: takes events.
    """

    auth: Url = "https://waymore.routee.net/api/authenticate"
    data: Url = "https://idata.routee.net/api/data"
    event: Url = "https://idata.routee.net/api/event"


class RegisterAs(SettingsModel):
    """What a shop says of itself when it is registered, beyond its keys and its domain.

    Attributes:
        source, type: what kind of shop it is. version, plugin_version: of what speaks for it.
    """

    source: Text = "Custom"
    type: Text = "E-Commerce"
    version: Text = "1.0"
    plugin_version: Text = "1.0"


class Links(SettingsModel):
    """Templates of links, used where the source gives none.

    Attributes:
        product: of a product's page. cart: of the cart.
    """

    product: OrNull[Annotated[str, _template("product_id", "sku", "slug")]] = None
    cart: OrNull[Annotated[str, _template()]] = None


class WaymoreSettings(SettingsModel):
    """How to speak to WayMore for one merchant, and what it is told.

    Attributes:
        source: whose data it is told; None: of the one section of a source that stands.
        uuid: given out by Routee: then nothing is ever authenticated, and it is not stored.
        domain: the website that is registered.
        discover: tells where the three calls go; None: `endpoints` says it.
        requests_per_second: above 0; shared by all processes that tell the same host of the same domain.
        part_records, part_bytes: of one mass request; a part is closed before it would pass either.
        history: `send`, or `skip`: what is there at the begin is taken as told.
        history_slice: how long one sync sends history; zero: until it is done.
        ack: what acknowledges a call: a `message`, or its status alone.
        on_unknown: what becomes of a call that may have arrived: it goes again, or is held for a person.
        late_after: how old a change may be to be told as an event.
        minimum_age: years; zero: no such rule.
        only: addresses of a rehearsal: everybody else is held; None: nobody is.
        username, password: of the shop at Routee, by which it is registered once.
        block_names: how the names of the history's blocks are written. dates: how dates are written.
        extras: whether columns beyond WayMore's guide (`x_...`), order_create_date and state go along.
        people: whether those who are not subscribed are told of, too.
        require_age_evidence: whether people without a birth date are held, where minimum_age is set.
        guest_carts: whether carts of nobody are told. events: which events are not told: `Search: false`.
    """

    looks_beside: ClassVar[bool] = True

    source: OrNull[Choice[Literal["vinoshipper", "commerce7", "shop"]]] = None
    username: OrNull[SecretValue] = None
    password: OrNull[SecretValue] = None
    uuid: OrNull[SecretValue] = None
    domain: Url
    endpoints: Endpoints = Endpoints()
    discover: OrNull[Url] = None
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
    late_after: LateAfter = timedelta(hours=24)
    people: Choice[Literal["all", "opted_in"]] = "all"
    minimum_age: OrNull[Annotated[int, Whole(0, 120)]] = None
    require_age_evidence: Flag = False
    guest_carts: Flag = False
    links: Links = Links()
    events: Switches = {}
    only: OrNull[ListOf[Text]] = None

    @model_validator(mode="before")
    @classmethod
    def _keys_or_uuid(cls, value: Any) -> Any:
        """Tell with its line that a key stands without the other; which are missing, `_whole` says."""
        if isinstance(value, Node):
            try:
                for key, other in (("username", "password"), ("password", "username")):
                    one = value.child(key)
                    if one is not None and not one.is_null() and value.child(other) is None:
                        raise one.problem(f"{other} is missing beside {key}")
            except SettingsFault as fault:
                raise collected(fault) from None
        return value

    @model_validator(mode="after")
    def _whole(self) -> WaymoreSettings:
        if self.uuid is None and (self.username is None or self.password is None):
            raise ValueError("username and password are missing; write env:NAME or file:PATH for each, or give uuid")
        return self

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        standing = [name for name in SOURCES if name in named]
        if self.source is not None:
            if self.source not in standing:
                raise (at.child("source") or at).problem(
                    f"source: {self.source} needs the section {self.source} in the merchant's entry"
                )
        elif len(standing) > 1:
            raise at.problem(f"source is missing; of {' and '.join(standing)} write the one whose data WayMore is told")

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterator[Claim]:
        """Yield the domain: two merchants of one would tell one audience two shops' data."""
        host = urlsplit(self.endpoints.event).netloc.lower()
        yield Claim((WAYMORE, host, same_site(self.domain)), (WAYMORE, "domain"), "domain")

    @property
    def secret(self) -> Secret:
        """Return the key that names the account to WayMore."""
        found = self.uuid or self.password
        assert found is not None, "the model lets none be without"
        return found

    def is_on(self, event: str) -> bool:
        """Say whether an event is told."""
        return self.events.get(event, True)

    def least_age(self, source: str) -> int:
        """Return the age in years under which nobody is told: of wine sellers 21, if nothing is set."""
        if self.minimum_age is not None:
            return self.minimum_age
        return 0 if source == "shop" else OF_AGE

    def doubts(self) -> Sequence[str]:
        found = []
        if self.uuid is not None and (self.username is not None or self.password is not None):
            found.append("waymore.username and waymore.password are not used beside waymore.uuid")
        if self.history == "skip":
            found.append("waymore.history is skip: WayMore is told of changes alone, and knows nobody from before")
        return found


def same_site(domain: str) -> str:
    """Return a website's URL in the form in which two are compared: a slash at the end apart, host in small letters."""
    parts = urlsplit(domain)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
