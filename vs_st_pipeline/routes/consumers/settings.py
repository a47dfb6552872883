"""The settings of this route: which consents lead to which lists, and what becomes of people without one.

A consent is for a purpose, so each is listed by id and data handler; there is no wildcard. What a list, campaign or
subscription type is called at a CRM is here and not with the CRM's own settings, because it belongs to the consent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from vs_st_pipeline.domain.crm import Target
from vs_st_pipeline.domain.emails import email_key, is_usable
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.settings.forms import (
    Choice,
    Flag,
    Form,
    ListOf,
    OrNull,
    Reading,
    Text,
    Whole,
    read_duration,
)
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.yaml_source import ROUTE, Node
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES

SHORTEST_KEEPING: Final = timedelta(days=1)
_LARGEST_ID: Final = 2**63 - 1


def _keeping(node: Node, reading: Reading) -> timedelta | None:
    expected = "always, or a duration of 1d or more"
    if node.written(expected) == "always":
        return None
    duration = read_duration(node)
    if duration < SHORTEST_KEEPING:  # what waits to be read again within a day would lose what it is compared with
        raise node.problem(f"expected {expected}")
    return duration


def _address(node: Node, reading: Reading) -> str:
    text = node.text()
    if not is_usable(text):
        raise node.problem("expected an e-mail address, such as jane@example.com")
    return email_key(text)


Address = Annotated[str, Form(_address, "an e-mail address such as jane@example.com")]
NumberOfRecord = Annotated[int, Whole(1, _LARGEST_ID)]


class HubSpotTarget(SettingsModel):
    """A subscription type, and lists whose members are added by hand or by API.

    Attributes:
        subscription: id of a subscription type. lists: ids of lists.
    """

    subscription: NumberOfRecord
    lists: ListOf[NumberOfRecord] = ()

    def target(self) -> Target:
        return Target(str(self.subscription), tuple(sorted({str(one) for one in self.lists})))


class KlaviyoTarget(SettingsModel):
    """A list.

    Attributes:
        list: its id.
    """

    list: Text

    def target(self) -> Target:
        return Target(self.list)


class SalesforceTarget(SettingsModel):
    """A campaign.

    Attributes:
        campaign: its id.
    """

    campaign: Text

    def target(self) -> Target:
        return Target(self.campaign)


class ConsentEntry(SettingsModel):
    """What one consent leads to: a target at one CRM or more, or nothing (`ignore`).

    Attributes:
        consent_id, data_handler: compared loosely with those of an order's consent; both must be the same.
        text_version: which wording people saw, for the evidence.
        hubspot, klaviyo, salesforce: what it subscribes to there. ignore: it leads to nothing, and that is right.
    """

    consent_id: Text
    data_handler: Text
    text_version: OrNull[Text] = None
    hubspot: OrNull[HubSpotTarget] = None
    klaviyo: OrNull[KlaviyoTarget] = None
    salesforce: OrNull[SalesforceTarget] = None
    ignore: Flag = False

    @property
    def pair(self) -> tuple[str, str]:
        """Return what a consent of an order is compared with."""
        return loosely(self.consent_id), loosely(self.data_handler)

    def target(self, crm: str) -> Target | None:
        """Return what this consent subscribes to at a CRM, None for nothing."""
        found: HubSpotTarget | KlaviyoTarget | SalesforceTarget | None = getattr(self, crm)
        return None if found is None else found.target()


class ConsumersSettings(SettingsModel):
    """What may stand under `consumers` in a merchant's entry.

    Attributes:
        follow_status: an order is read again when any later event of it comes.
        resubscribe: whether a consent that is newer than an opt-out subscribes somebody again.
        on_withdrawn: what a withdrawn consent does to what was done because of it.
        keep_unconsented: how long orders are kept whole that led to no write; None: always.
        consents: the only way onto a list.
        only: a rehearsal: everybody but these addresses is held; None: it is none.
    """

    follow_status: Flag = False
    resubscribe: Choice[Literal["newer_consent", "never"]] = "newer_consent"
    on_withdrawn: Choice[Literal["unsubscribe", "note"]] = "unsubscribe"
    keep_unconsented: Annotated[timedelta | None, Form(_keeping, "always, or a duration of 1d or more")] = timedelta(
        days=30
    )
    consents: ListOf[ConsentEntry] = ()
    only: OrNull[ListOf[Address]] = None

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        """Refuse pairs that stand twice, entries that say nothing or two things, and targets of CRMs that are not here.

        Raises:
            SettingsFault: with the line of the entry.
        """
        consents = at.child("consents")
        nodes = consents.items() if consents is not None else []
        seen: dict[tuple[str, str], Node] = {}
        for node, entry in zip(nodes, self.consents, strict=True):
            if (first := seen.setdefault(entry.pair, node)) is not node:
                raise node.problem(
                    f"consent_id and data_handler are those of line {first.line} already (upper and lower "
                    "case and blanks do not count); a pair may stand once"
                )
            crms = [crm for crm in CRM_NAMES if entry.target(crm) is not None]
            if entry.ignore and crms:
                raise (node.child(crms[0]) or node).problem(
                    "a consent that is ignored leads nowhere; delete this or `ignore`"
                )
            if not entry.ignore and not crms:
                raise node.problem(
                    f"this consent leads nowhere; write where to ({', '.join(CRM_NAMES)}), or `ignore: true`"
                )
            for crm in crms:
                if crm not in named:
                    raise (node.child(crm) or node).problem(
                        f"the entry of this merchant has no section `{crm}`; add one, or delete this", ROUTE
                    )

    def doubts(self) -> Sequence[str]:
        """Say that it is a rehearsal, since nobody else is written meanwhile."""
        if self.only is None:
            return ()
        return (f"consumers.only: a rehearsal; everybody but {len(self.only)} addresses is held",)


def targets_of(merchant: Merchant, crm: str) -> tuple[ConsentEntry, ...]:
    """Return the entries of `consents` that have a target at a CRM, in the order of the file."""
    return tuple(one for one in merchant.section(ConsumersSettings).consents if one.target(crm) is not None)


def records_all(merchant: Merchant, crm: str) -> bool:
    """Say whether people without a consent are written to a CRM too (`without_consent: record`)."""
    return getattr(merchant.sections.get(crm), "without_consent", "skip") == "record"
