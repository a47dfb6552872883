"""Says what is known of one notice when it is judged: the status, its unit and order, the recipient, the account.

Pure: what is here was read by `gathering`; the rules (`rules`) look at nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, TemplateSettings
from vs_st_pipeline.routes.notices import consent, template_fit
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.rendering import Missing, Rendered, render
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.status_map import StatusMap
from vs_st_pipeline.routes.notices.template_fit import Fit, Template
from vs_st_pipeline.routes.notices.terms import Terms
from vs_st_pipeline.routes.notices.values import Order, Values
from vs_st_pipeline.routes.notices.words import OUT, State
from vs_st_pipeline.routes.notices.words import ConsentSource as Source

EVER = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Told:
    """Another message of the same order, or this notice itself, as ledger and claims have it.

    Attributes:
        since: when it was accepted, else claimed, else noted.
        account: by which it was accepted once, and is tried again; None: it never was.
    """

    notice_id: str
    unit_key: str | None
    status: str
    occurrence: int | None
    state: str
    since: datetime
    accepted_at: datetime | None = None
    retry_at: datetime | None = None
    account: str | None = None

    @property
    def was_claimed(self) -> bool:
        """Say whether it went out or may have (5.5): also one that waits for its retry (rulings 29)."""
        return self.state in OUT or self.accepted_at is not None

    @property
    def has_no_receipt(self) -> bool:
        """Say whether nothing says yet that it has left the vendor, or failed (5.14)."""
        if self.state in (State.SENDING, State.ACCEPTED, State.ENQUEUED, State.UNKNOWN):
            return True
        return self.state == State.WAITING and self.accepted_at is not None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom it would go to.

    Attributes:
        fault: words.Wait of the phone, or None. zones: empty: the merchant's.
        is_shared: more people than may be have this phone (5.7).
    """

    phone: str | None = None
    fault: str | None = None
    name: str | None = None
    zones: Sequence[str] = ()
    under_age: bool = False
    is_shared: bool = False
    is_forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """What counts against a phone's cap and an account's tier (5.16). `at` ascending."""

    at: Sequence[datetime] = ()
    is_known_today: bool = False
    people_today: int = 0
    oldest_today: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountNow:
    """The selected account as it stands.

    Attributes:
        account: None: none is installed.
        stopped: it takes nothing until it is resumed. paused_until: it takes nothing until then.
        list_read: when its templates' list was read, by the machine's clock and by VS_ST_NOW.
        templates, faults: by template id.
        claimed: phone and the notice that asks -> what counts.
        fits: what was found of a status's template, so that it is looked at once.
    """

    account: GupshupAccount | None = None
    stopped: bool = False
    paused_until: datetime | None = None
    list_read: tuple[float, datetime] | None = None
    templates: Mapping[str, Template] = field(default_factory=dict)
    faults: Mapping[str, Sequence[template_fit.Fault]] = field(default_factory=dict)
    claimed: Callable[[str, str], Claimed] = lambda _phone, _notice_id: Claimed()
    fits: dict[str, Fit] = field(default_factory=dict)


@dataclass(eq=False)
class Facts:
    """All that is known of one notice.

    Attributes:
        now: by which it is judged (UTC without zone). real: the machine's clock, for the age of reads.
        unit: events of its unit. siblings: of all units of its order.
        told: other messages of its order. own: itself, where it has been judged before.
        acted_at: when actions of ours were taken on its unit.
        unsafe: the brake holds it.
    """

    notice_id: str
    now: datetime
    real: float
    settings: NoticesSettings
    statuses: StatusMap
    terms: Terms
    zone: ZoneInfo
    event: Event
    first_seen_at: datetime
    in_baseline: bool
    order: Order | None = None
    unit: Sequence[Event] = ()
    siblings: Sequence[Event] = ()
    told: Sequence[Told] = ()
    own: Told | None = None
    acted_at: Sequence[datetime] = ()
    recipient: Recipient = Recipient()
    consents: Sequence[consent.Row] = ()
    absent_at: datetime | None = None
    account: AccountNow = AccountNow()
    values: Values | None = None
    unsafe: bool = False

    @property
    def status(self) -> str:
        """Return the status that it is about."""
        return self.event.status

    @property
    def is_of_order(self) -> bool:
        """Say whether it is about the order, as `created` is, and not about a shipment or return."""
        meaning = self.statuses.of_key.get(self.status)
        return meaning is not None and meaning.unit == "order"

    def unit_of(self, status: str) -> str | None:
        """Return whose status one is: order, shipment or return; None: of none that is known."""
        meaning = self.statuses.of_key.get(status)
        return meaning.unit if meaning is not None else None

    @cached_property
    def wanted(self) -> TemplateSettings | None:
        """Return the template that the settings name."""
        if self.account.account is None:
            return None
        return template_fit.wanted_by(self.settings, self.account.account, self.status)

    @cached_property
    def template(self) -> Template | None:
        """Return it as the account's list has it."""
        return None if self.wanted is None else self.account.templates.get(self.wanted.id)

    @property
    def fit(self) -> Fit:
        """Return whether it fits (5.11)."""
        if self.status not in self.account.fits:
            self.account.fits[self.status] = self._fit()
        return self.account.fits[self.status]

    def _fit(self) -> Fit:
        faults = () if self.wanted is None else self.account.faults.get(self.wanted.id, ())
        return template_fit.fit(self.template, self.wanted, self.settings, faults)

    @cached_property
    def rendered(self) -> Rendered | Missing | None:
        """Return the message as it would read; None where there is no template to render."""
        if self.template is None or self.wanted is None or self.values is None:
            return None
        return render(self.template, self.wanted, self.values)

    @cached_property
    def proof(self) -> consent.Row | None:
        """Return the consent that is used (5.9)."""
        if self.account.account is None:
            return None
        account = self.account.account
        return consent.proof(self.consents, self.own_word(), self.settings.opt_in, account.kind, account.number)

    def own_word(self) -> list[consent.Row]:
        """Return what the order itself says: its flag, and the attestation for orders placed since then."""
        if self.order is None:
            return []
        found, placed = [], self.order.placed_at
        if self.order.whatsapp_flag:
            at = placed if placed is not None else EVER
            found.append(consent.Row(Source.ESHOPBOX_FLAG, consent.IN, at, self.order.merchant_order))
        said = self.settings.attestation
        if said is not None and placed is not None and self._day(placed) >= said.since:
            found.append(consent.Row(Source.ATTESTATION, consent.IN, placed, self.order.merchant_order))
        return found

    def _day(self, at: datetime) -> Any:
        return at.replace(tzinfo=UTC).astimezone(self.zone).date()
