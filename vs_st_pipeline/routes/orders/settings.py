"""The settings of this route: what may stand under `orders` in a merchant's entry (orders.md 2).

From when on orders are sent, and to which states, has no default: a guess ships alcohol.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.vinoshipper.names import TITLE
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import (
    FIRST_YEAR,
    LAST_YEAR,
    Choice,
    Duration,
    Flag,
    Form,
    Interval,
    Reading,
    Whole,
    read_date,
)
from vs_st_pipeline.platform.settings.model import Claim, Off, SettingsModel
from vs_st_pipeline.platform.settings.secrets import digest
from vs_st_pipeline.platform.settings.yaml_source import Node
from vs_st_pipeline.routes.orders.systems import NAME, SHIPPER, SHOP
from vs_st_pipeline.routes.orders.us import STATES

LONGEST_PREFIX: Final = 30
_PREFIX: Final = re.compile(r"[A-Z0-9-]{1,30}", re.ASCII)
_START_FORM: Final = "a date such as 2026-12-01, or a time such as 2026-12-01T08:00:00Z"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?.*", re.ASCII)
_STATE_FORM: Final = "the code of one of the 50 states or DC, such as CA"
_SHOWABLE: Final = re.compile(r"[A-Z .-]{1,20}", re.ASCII)


def _start(node: Node, reading: Reading) -> date:
    written = node.written(_START_FORM).strip()
    if not _TIME.fullmatch(written):
        try:
            return read_date(written)
        except BadSettings:
            raise node.problem(f"expected {_START_FORM}, between the years {FIRST_YEAR} and {LAST_YEAR}") from None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise node.problem(f"expected {_START_FORM}") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise node.problem(f"expected a time between the years {FIRST_YEAR} and {LAST_YEAR}")
    return found if found.tzinfo is None else found.astimezone(UTC)


def _states(node: Node, reading: Reading) -> frozenset[str]:
    found = set()
    for item in node.items():
        code = item.written(_STATE_FORM).strip().upper()
        if code not in STATES:
            # A value is shown only where it looks like a name: what stands in the wrong place may be a secret.
            shown = f", not `{code}`" if _SHOWABLE.fullmatch(code) else ""
            raise item.problem(f"expected {_STATE_FORM}{shown}")
        found.add(code)
    return frozenset(found)


def _prefix(node: Node, reading: Reading) -> str:
    form = f"1-{LONGEST_PREFIX} of A-Z, 0-9 and -, such as HILLSIDE"
    written = node.written(form).strip()
    if not _PREFIX.fullmatch(written):
        raise node.problem(f"expected {form}")
    return written


def _word(node: Node, reading: Reading) -> str:
    """Read a code as it is written: `03` is no number."""
    form = "a code, such as UPS or 03"
    if not (written := node.written(form).strip()):
        raise node.problem(f"expected {form}")
    return written


Word = Annotated[str, Form(_word, "a code, such as UPS or 03")]


class RateRow(SettingsModel):
    """A row of the table of rates: what Commerce7 calls a way of shipping, and what Vinoshipper does.

    Attributes:
        carrier, code: as Commerce7 calls it. rate_carrier, rate_code: as Vinoshipper does.
    """

    carrier: Word
    code: Word
    rate_carrier: Word
    rate_code: Word

    @property
    def key(self) -> tuple[str, str]:
        """Return what an order's carrier and code are compared with."""
        return carrier_key(self.carrier), code_key(self.code)


def carrier_key(carrier: str | None) -> str:
    """Return a carrier as it is compared: in any case."""
    return " ".join((carrier or "").split()).casefold()


def code_key(code: str | None) -> str:
    """Return the code of a rate as it is compared: in any case, and `3` is `03`."""
    text = (code or "").strip().casefold()
    return f"{int(text):02}" if text.isascii() and text.isdigit() and len(text) < 10 else text


USUAL_RATES: Final = tuple(
    RateRow(carrier="UPS", code=code, rate_carrier="UPS", rate_code=code) for code in ("01", "02", "03", "12")
)
"""UPS Next Day Air, 2nd Day Air, Ground, 3 Day Select (5.3)."""


def _rates(node: Node, reading: Reading) -> object:
    form = "default, or a list of carrier, code, rate_carrier, rate_code"
    if node.is_list():
        return tuple(node.items())
    if node.written(form).strip() != "default":
        raise node.problem(f"expected {form}")
    return USUAL_RATES


class Refresh(SettingsModel):
    """How often what is held is looked at again; zero means in every sync.

    Attributes:
        shipped: orders on their way. open: sent orders before that. settled: orders that are over.
        products: the catalogues of both shops. reconcile: the daily comparison.
    """

    shipped: Interval = timedelta(minutes=15)
    open: Interval = timedelta(hours=1)
    settled: Interval = timedelta(days=7)
    products: Interval = timedelta(hours=24)
    reconcile: Interval = timedelta(hours=24)


class OrdersSettings(SettingsModel):
    """What may stand under `orders` in a merchant's entry.

    Attributes:
        mode: `shadow` does all but writes.
        start: orders paid before it are never sent; a date is its midnight in the merchant's zone, and so is a time
            without offset. It may lie ahead.
        states: codes of the states that orders are sent to.
        number_prefix: of order numbers at Vinoshipper, before a hyphen; None: the tenant in capital letters.
        also_look_for: whether the bare number is looked for too before a first send.
        rates: which rate of Vinoshipper stands for which of Commerce7.
        paid_key: which key tells Vinoshipper that an order is paid.
        vinoshipper_mails: whether Vinoshipper mails buyers.
        bundles: whether a bundle goes under its own SKU, or as what it is made of.
        zip_state: what becomes of an order whose ZIP belongs to other states.
        on_refund: what becomes of a sent order that is refunded.
        restore_inventory: whether a void asks for it.
        messages: of which orders Commerce7 is told.
        not_later_than: orders paid longer ago are not sent by themselves.
        settle_wait: least time between a write whose outcome is not known and its next try.
        tracking_wait: how long a shipped order waits for the numbers of all packages.
        send_at_most: orders a sync.
    """

    looks_beside: ClassVar[bool] = True

    mode: Choice[Literal["live", "shadow", "off"]] = "live"
    start: Annotated[datetime | date, Form(_start, _START_FORM)]
    states: Annotated[frozenset[str], Form(_states, "a list of codes such as [CA, NY]; [] sends nothing")]
    number_prefix: Annotated[str | None, Form(_prefix, "a prefix such as HILLSIDE")] = None
    also_look_for: Choice[Literal["none", "plain"]] = "none"
    rates: Annotated[tuple[RateRow, ...], Form(_rates, "default, or a list")] = USUAL_RATES
    paid_key: Choice[Literal["both", "paid", "isPaid", "Paid"]] = "both"
    vinoshipper_mails: Flag = False
    bundles: Choice[Literal["as_sku", "as_items"]] = "as_sku"
    zip_state: Choice[Literal["hold", "note"]] = "hold"
    on_refund: Choice[Literal["alarm", "void"]] = "alarm"
    restore_inventory: Flag = True
    messages: Choice[Literal["all", "shipping", "off"]] = "all"
    not_later_than: Duration = timedelta(days=14)
    settle_wait: Duration = timedelta(minutes=10)
    tracking_wait: Duration = timedelta(hours=6)
    send_at_most: Annotated[int, Whole(1, 1_000_000)] = 300
    refresh: Refresh = Refresh()

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        """Refuse two rates for one carrier and code.

        Raises:
            SettingsFault: with the line of the second.
        """
        seen: dict[tuple[str, str], Node] = {}
        listed = at.child("rates")
        nodes = listed.items() if listed is not None and listed.is_list() else []
        for node, row in zip(nodes, self.rates, strict=bool(nodes)):
            if (first := seen.setdefault(row.key, node)) is not node:
                raise node.problem(
                    f"carrier and code are those of line {first.line} already (case does not count, and 3 is 03); "
                    "a pair may stand once"
                )

    def check_beside(self, at: Node, sections: Mapping[str, SettingsModel]) -> None:
        """Refuse a tenant that is too long to be the prefix of numbers.

        Raises:
            SettingsFault: at the line of this section.
        """
        tenant = tenant_of(sections)
        if self.number_prefix is None and tenant is not None and len(tenant) > LONGEST_PREFIX:
            raise at.problem(
                f"the tenant is longer than the {LONGEST_PREFIX} characters that a prefix of order numbers may have; "
                "write number_prefix"
            )

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterator[Claim]:
        """Yield the prefix of order numbers in one account of Vinoshipper: two would take each other's numbers."""
        tenant, account = tenant_of(sections), sections.get(SHIPPER)
        prefix = self.number_prefix or (tenant and tenant.upper())
        if isinstance(account, VinoshipperSettings) and prefix:
            key = ("number_prefix", account.base_url.casefold(), digest(account.api_key), prefix)
            where = (NAME, "number_prefix") if self.number_prefix else (NAME,)
            yield Claim(key, where, f"prefix of order numbers in one account of {TITLE}")

    def off_because(self, today: date) -> Off | None:
        """Say that the route is switched off."""
        if self.mode != "off":
            return None
        return Off("off", f"{NAME}.mode is off", "Write mode: live (or shadow) to switch the route on.")

    def doubts(self) -> Sequence[str]:
        """Say what sends nothing."""
        found = []
        if not self.states:
            found.append(f"{NAME}.states is empty: no order is sent")
        if not self.rates:
            found.append(f"{NAME}.rates is empty: no order is sent")
        return found

    def start_at(self, zone: ZoneInfo) -> datetime:
        """Return the moment from which on orders are sent, UTC without zone.

        Args:
            zone: the merchant's.
        """
        at = self.start if isinstance(self.start, datetime) else datetime.combine(self.start, time())
        return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC).replace(tzinfo=None)

    def prefix(self, tenant: str) -> str:
        """Return the prefix of order numbers at Vinoshipper."""
        return self.number_prefix or tenant.upper()


def tenant_of(sections: Mapping[str, SettingsModel]) -> str | None:
    """Return the tenant at Commerce7 that an entry names, None where that section is not there."""
    found = getattr(sections.get(SHOP), "tenant", None)
    return found if isinstance(found, str) else None
