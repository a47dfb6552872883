"""Builds scenario `consumers`: what a brand has at SoPost and in its three CRMs, sixty people, each for a reason.

It is long because it is data: each person is there for one thing that a route may get wrong.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import (
    ACCOUNTS,
    AccountNames,
    hubspot_part,
    klaviyo_part,
    salesforce_part,
    sopost_part,
)
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder

NEWS, TRIAL, SOPOST_OWN = "news", "trial", "sopost"
OLD, RECENT = 400.0, 0.02  # days ago: long before, and after, the orders of the world


class Brand:
    """Writes people for one merchant: their orders at SoPost, and what the CRMs know of them."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.names: AccountNames = ACCOUNTS[b.merchant.id]
        self.wanted = [name for name in ("sopost", "hubspot", "klaviyo", "salesforce") if name not in b.without]
        makers: dict[str, Any] = {"sopost": sopost_part, "hubspot": hubspot_part}
        makers |= {"klaviyo": klaviyo_part, "salesforce": salesforce_part}
        for name in self.wanted:
            b.merchant.parts[name] = makers[name](self.names, b.merchant.account)
        self.people = 0
        self.orders = 0
        self._answers = [self.question("skin", "What is your skin like?", ("dry", "Dry"))]
        self.parcel = {"line_1": "1 Sample Street", "line_2": None, "town": "London", "district": None}
        self.parcel |= {"territory": "GBR", "postcode": "N1 1AA"}
        self._items = [{"stock_partition_id": f"{b.merchant.account:08x}-0000-4000-b000-000000000001"}]

    def has(self, system: str) -> bool:
        """Say whether the world is to have records of a system."""
        return system in self.wanted

    def at(self, days: float) -> datetime:
        """Return a moment some days ago."""
        return self.b.now - timedelta(days=days)

    def person(self, reason: str) -> None:
        """Begin a new person, and say what for."""
        self.people += 1
        if self.has("sopost"):
            self.b.merchant.parts["sopost"]["reasons"].append(reason)

    # SoPost.

    def consent(self, which: str = NEWS, status: str | None = "APPROVED", **changed: Any) -> Record:
        """Return an entry of an order's consents; None leaves the status out."""
        id, name, handler = self.names.consents[which]
        entry = {"consent_id": id, "consent_name": name, "data_handler": handler, **changed}
        return entry if status is None else {**entry, "status": status}

    def question(self, id: str, text: str, *answers: tuple[str | None, str]) -> Record:
        """Return a question of an order with its answers (id, text)."""
        given = [{"answer_text": t, **({} if a is None else {"answer_id": a})} for a, t in answers]
        return {"question_text": text, "question_id": f"q-{id}", "answer": given}

    def order(
        self,
        email: str | None,
        name: str | None = "Ada Lovage",
        status: str = "APPROVED",
        consents: tuple[Any, ...] | None = None,
        days: float = 1,
        **more: Any,
    ) -> str:
        """Add an order; without `consents` it has the one for news."""
        self.orders += 1
        account = self.b.merchant.account
        id = f"{account:08x}-0000-4000-a000-{self.orders:012x}"
        if not self.has("sopost"):
            return id
        part = self.b.merchant.parts["sopost"]
        part["created"][id] = iso(self.at(days))
        part["orders"][id] = {
            "id": id,
            "short_id": f"SP{account}{self.orders:06d}",
            "activity_id": self.names.activities[0],
            "address": self.parcel,
            "full_name": name,
            "email": email,
            "provider": "Form",
            "identity": hashlib.sha256(str(email).lower().encode()).hexdigest(),
            "telephone": f"+447700{900000 + self.orders % 1000}",
            "line_items": self._items,
            "status": status,
            "consents": [self.consent()] if consents is None else list(consents),
            "custom_questions": self._answers,
            **more,
        }
        return id

    # The CRMs.

    def hubspot(self, email: str, **properties: Any) -> str:
        """Add a contact at HubSpot; return its id."""
        id = str(self.b.merchant.account * 10**7 + self.people * 10)
        if self.has("hubspot"):
            contacts, at = self.b.merchant.parts["hubspot"]["contacts"], iso(self.at(OLD))
            while id in contacts:
                id = str(int(id) + 1)
            values = {
                "email": email.lower(),
                "createdate": at,
                "lastmodifieddate": at,
                "hs_object_id": id,
                **properties,
            }
            contacts[id] = {"id": id, "properties": values, "createdAt": at, "updatedAt": at, "archived": False}
        return id

    def hubspot_status(self, email: str, status: str, days: float = OLD, listed: str | None = None) -> None:
        """Set the state of an address for news; `listed` is the id of a contact that is on the list."""
        if self.has("hubspot"):
            part = self.b.merchant.parts["hubspot"]
            row = {"status": status, "timestamp": iso(self.at(days)), "source": "FORM"}
            part["statuses"].setdefault(email.lower(), {})[str(self.names.subscriptions[0])] = row
            if listed:
                joined = {"recordId": listed, "membershipTimestamp": iso(self.at(days))}
                part["members"].setdefault(self.names.hubspot_list, {})[listed] = joined

    def klaviyo(
        self, email: str, consent: str = "NEVER_SUBSCRIBED", days: float = OLD, listed: bool = False, **more: Any
    ) -> None:
        """Add a profile at Klaviyo; `more` are `suppressed` (a reason), `list_suppressed`, and attributes."""
        if not self.has("klaviyo"):
            return
        part = self.b.merchant.parts["klaviyo"]
        id, at = f"01GLOW{self.b.merchant.account:05d}{self.people:013d}", iso(self.at(days))
        told = at if consent != "NEVER_SUBSCRIBED" else None
        reason, list_reason = more.pop("suppressed", None), more.pop("list_suppressed", None)
        if consent == "UNSUBSCRIBED" and reason is None:
            reason = "UNSUBSCRIBE"
        suppression = [{"reason": reason, "timestamp": at}] if reason else []
        of_list = [{"list_id": self.names.klaviyo_list, "reason": list_reason, "timestamp": at}] if list_reason else []
        blank = dict.fromkeys(("phone_number", "external_id", "first_name", "last_name", "organization", "title"))
        attributes: Record = {**blank, "locale": None, "image": None, "location": {}, "properties": {}, "email": email}
        part["profiles"][id] = {
            "id": id,
            "attributes": {**attributes, "created": iso(self.at(OLD)), "updated": at, **more},
            "marketing": {
                "consent": consent,
                "consent_timestamp": told,
                "last_updated": told,
                "method": "FORM" if told else None,
                "custom_method_detail": None,
                "double_optin": False,
                "suppression": suppression,
                "list_suppressions": of_list,
            },
        }
        if listed:
            part["members"].setdefault(self.names.klaviyo_list, {})[id] = at

    def salesforce(self, email: str, first: str | None, last: str, member: bool = False, **fields: Any) -> str:
        """Add a contact at Salesforce; return its id."""
        names = self.names
        id = names.salesforce_id("003", self.people * 10 + int(fields.pop("_n", 0)))
        if self.has("salesforce"):
            rows, at = self.b.merchant.parts["salesforce"]["rows"], iso(self.at(OLD))
            rows["Contact"][id] = {
                "Id": id, "IsDeleted": False, "CreatedDate": at, "LastModifiedDate": at, "SystemModstamp": at,
                "FirstName": first, "LastName": last, "Name": f"{first} {last}", "Email": email,
                "HasOptedOutOfEmail": False, "MasterRecordId": None, **fields,
            }  # fmt: skip
            if member:
                row = {"Id": names.salesforce_id("00v", self.people), "IsDeleted": False, "CreatedDate": at}
                row |= {"CampaignId": names.campaign, "ContactId": id, "Status": "Sent"}
                rows["CampaignMember"][row["Id"]] = row
        return id

    def everywhere(self, email: str, first: str | None = None, last: str = "Known", **more: Any) -> str:
        """Add somebody whom all three CRMs know, without any consent; return the id at HubSpot."""
        id = self.hubspot(email, **{"firstname": first, "lastname": last} if first else {})
        self.klaviyo(email, first_name=first, last_name=last, **more)
        self.salesforce(email, first, last)
        return id


def fill_glow_skin(b: Builder) -> None:
    """Add the sixty people of the brand that subscribes those who consented, and stores nobody else."""
    brand = Brand(b)
    _consents(brand)
    _statuses(brand)
    _addresses(brand)
    _names(brand)
    _answers(brand)
    _known(brand)
    _opted_out(brand)
    _records(brand)


def _consents(p: Brand) -> None:
    p.person("the plain case: approved, consented, known nowhere")
    p.order("plain@example.com", "Marisol Vantongeren")
    p.person("no consent at all")
    p.order("noconsent@example.com", "Bram Ostrowski", consents=())
    p.person("two consents for two lists, one of them by double opt-in")
    p.order("both@example.com", "Ines Halloran", consents=(p.consent(), p.consent(TRIAL)))
    p.person("consented to SoPost's own mails alone")
    p.order("sopostonly@example.com", "Jonas Halloran", consents=(p.consent(SOPOST_OWN),))
    p.person("a consent that no entry of the settings knows")
    other = p.consent(consent_id="ffffffff-0000-4000-8000-000000000000", consent_name="Something new")
    p.order("unmapped@example.com", "Odalys Brightwater", consents=(other,))
    p.person("a known consent given to another data handler")
    p.order("handler@example.com", "Piper Lindqvist", consents=(p.consent(data_handler="Another Brand"),))
    for word in ("REJECTED", "WITHDRAWN", "MAYBE"):
        p.person(f"a consent whose status is {word}")
        p.order(f"{word.lower()}@example.com", "Tobias Achterberg", consents=(p.consent(status=word),))
    p.person("a consent without a status")
    p.order("statusless@example.com", "Renske Duquesne", consents=(p.consent(status=None),))
    p.person("the same consent twice, given both times")
    p.order("twice@example.com", "Wanda Szczepanska", consents=(p.consent(), p.consent()))
    p.person("the same consent twice, refused once")
    p.order("halfgiven@example.com", "Ffion Marchetti", consents=(p.consent(), p.consent(status="REJECTED")))
    p.person("ids and handlers in other letters, with blanks")
    id = p.names.consents[NEWS][0].upper()
    p.order(
        "loose@example.com", "Alasdair Pemberton", consents=(p.consent(consent_id=id, data_handler="  GLOW   skin "),)
    )
    p.person("consent entries that cannot be read")
    p.order("oddentries@example.com", "Linnea Sandoval", consents=("yes", {"consent_id": None}, p.consent()))


def _statuses(p: Brand) -> None:
    for word, name in (("REJECTED", "Quentin Syrah"), ("PENDING", "Solveig Hartmann")):
        p.person(f"an order that is {word}")
        p.order(f"order.{word.lower()}@example.com", name, word)
    for word, name in (("DISPATCHED", "Ragnar Hartmann"), ("DELIVERED", "Corin Blackwood")):
        p.person(f"an order that is {word} already when it is first read")
        p.order(f"order.{word.lower()}@example.com", name, word)
    p.person("a status that nobody has listed, and no approval before it")
    p.order("order.onhold@example.com", "Maren Blackwood", "ON_HOLD")
    p.person("an order that may not be seen")
    id = p.order("hidden@example.com", "Edda Fenwick")
    if p.has("sopost"):
        p.b.merchant.parts["sopost"]["hidden"].append(id)
    p.person("an order of another campaign's activity")
    p.order("othercampaign@example.com", "Jorun Fenwick", activity_id=p.names.activities[1])


def _addresses(p: Brand) -> None:
    for reason, email in (
        ("no address", None),
        ("no address but a word", "not-an-address"),
        ("an address with two at signs", "two@at@example.com"),
        ("an address with a quote, which may end a query", "o'neil@example.com"),
        ("an address with a plus tag", "joe+gift@example.com"),
        ("the same without the tag: somebody else", "joe@example.com"),
        ("an address in mixed letters between blanks", "  Mixed.Case@Example.COM "),
        ("an address in decomposed letters", "rémy@example.com"),
        ("an address longer than Salesforce takes", f"{'long' * 20}@example.com"),
        ("an address whose domain is mistyped, which HubSpot refuses", "typo@example.con"),
    ):
        p.person(reason)
        p.order(email, "Joe Quill")
    p.person("three orders under three names")
    for days, name in ((9, "Anna Elder"), (5, "Anna Newer"), (2, "Anna Newest")):
        p.order("manynames@example.com", name, days=days)
    p.person("one identity with two addresses: two consumers")
    for email in ("first.of.two@example.com", "second.of.two@example.com"):
        p.order(email, "Vesper Rainsford", identity="identity-of-vesper")


def _names(p: Brand) -> None:
    for reason, name in (
        ("one word is a first name", "Cher"),
        ("a name longer than fields take", "Maximiliane-" * 9 + " " + "Featherstonehaugh-" * 6),
        ("no name", None),
        ("control characters in a name", "Leo\u0007pold\u0000ine Asquith"),
        ("a name beyond the basic plane", "Ada \U0001f33f Lovage"),
    ):
        p.person(reason)
        p.order(f"name{p.people}@example.com", name)


def _answers(p: Brand) -> None:
    p.person("several answers to one question")
    hair = p.question("hair", "What do you use?", ("a1", "Shampoo"), ("a2", "Mask; deep"), ("a3", "Oil"))
    p.order("answers@example.com", "Iver Lockhart", custom_questions=[hair])
    p.person("an answer without an id, and an optional question left out")
    p.order("noid@example.com", "Philippa Standish", custom_questions=[p.question("free", "Why?", (None, "Because"))])
    p.person("an answer longer than fields take")
    p.order(
        "wordy@example.com", "Anselm Whitcombe", custom_questions=[p.question("free", "Why?", ("x", "so " * 15000))]
    )
    p.person("a territory that no list has")
    p.order("nowhere@example.com", "Yorick Yarrowby", address={**p.parcel, "territory": "XKX"})


def _known(p: Brand) -> None:
    p.person("known in all CRMs under names of its own, never subscribed")
    p.everywhere("known@example.com", "Kalinda")
    p.order("known@example.com", "Kay Other")
    p.person("subscribed and on the list everywhere")
    id = p.hubspot("already@example.com", firstname="Al")
    p.hubspot_status("already@example.com", "SUBSCRIBED", listed=id)
    p.klaviyo("already@example.com", "SUBSCRIBED", listed=True)
    p.salesforce("already@example.com", "Al", "Ready", member=True)
    p.order("already@example.com", "Al Ready")
    p.person("subscribed, but not on the list")
    p.hubspot("offlist@example.com")
    p.hubspot_status("offlist@example.com", "SUBSCRIBED")
    p.klaviyo("offlist@example.com", "SUBSCRIBED")
    p.salesforce("offlist@example.com", "Olga", "Offlist")
    p.order("offlist@example.com", "Olga Offlist")
    p.person("known in other letters everywhere")
    p.everywhere("Upper.Case@Example.com", "Uma")
    p.order("upper.case@example.com", "Uma Upper")
    p.person("subscribed at HubSpot without being a contact")
    p.hubspot_status("statusonly@example.com", "SUBSCRIBED")
    p.order("statusonly@example.com", "Sven Status")


def _opted_out(p: Brand) -> None:
    for reason, days in (("long before the order", OLD), ("after the order", RECENT)):
        p.person(f"unsubscribed everywhere, {reason}")
        email = f"optedout{int(days)}@example.com"
        p.hubspot(email)
        p.hubspot_status(email, "UNSUBSCRIBED", days)
        p.klaviyo(email, "UNSUBSCRIBED", days)
        p.salesforce(email, "Otto", "Out", HasOptedOutOfEmail=days == RECENT)
        p.order(email, "Otto Out")
    p.person("unsubscribed from all mail of the brand at HubSpot")
    p.hubspot("wide@example.com")
    if p.has("hubspot"):
        wide = {"wideStatusType": "PORTAL_WIDE", "status": "UNSUBSCRIBED", "timestamp": iso(p.at(RECENT))}
        p.b.merchant.parts["hubspot"]["wide"]["wide@example.com"] = wide
    p.order("wide@example.com", "Willa Wide")
    for reason in ("HARD_BOUNCE", "SPAM_COMPLAINT", "USER_SUPPRESSED", "SOMETHING_NEW"):
        p.person(f"suppressed at Klaviyo: {reason}")
        email = f"{reason.lower()}@example.com"
        p.klaviyo(email, suppressed=reason)
        p.order(email, "Sue Pressed")
    p.person("unsubscribed from the one list at Klaviyo")
    p.klaviyo("listout@example.com", "SUBSCRIBED", RECENT, list_suppressed="UNSUBSCRIBE")
    p.order("listout@example.com", "Lila Listout")


def _records(p: Brand) -> None:
    p.person("two contacts at Salesforce with one address")
    p.salesforce("double@example.com", "Dora", "Double")
    p.salesforce("double@example.com", "Dora", "Double II", _n=1)
    p.order("double@example.com", "Dora Double")
    p.person("the route's own key at Salesforce on a contact with another address")
    key = "sp_" + hashlib.sha256(b"moved@example.com").hexdigest()[:40]
    p.salesforce("moved.on@example.com", "Mo", "Ved", SoPost_Key__c=key)
    p.order("moved@example.com", "Mo Ved")
    p.person("an additional address of a contact at HubSpot")
    p.hubspot("main.address@example.com", hs_additional_emails="second.address@example.com")
    p.order("second.address@example.com", "Hugo Second")
    p.person("erased at HubSpot and Klaviyo for good")
    if p.has("hubspot"):
        p.b.merchant.parts["hubspot"]["blocklist"].append("erased@example.com")
    if p.has("klaviyo"):
        p.b.merchant.parts["klaviyo"]["deleted"].append("erased@example.com")
    p.order("erased@example.com", "Ezra Erased")
    p.person("in the bin at HubSpot and Salesforce")
    id = p.hubspot("binned@example.com")
    if p.has("hubspot"):
        part = p.b.merchant.parts["hubspot"]
        part["bin"][id] = part["contacts"].pop(id)
    p.salesforce("binned@example.com", "Bo", "Binned", IsDeleted=True)
    p.order("binned@example.com", "Bo Binned")


def fill_bare_soap(b: Builder) -> None:
    """Add a few people of a brand that stores those who did not consent too; some addresses are Glow Skin's as well."""
    p = Brand(b)
    p.person("another brand's plain case, under another name")
    p.order("plain@example.com", "Other Person")
    p.person("no consent here; given at the other brand")
    p.order("both@example.com", "Ines Elsewhere", consents=())
    p.person("not consented, known already")
    p.everywhere("known.here@example.com", "Kim")
    p.order("known.here@example.com", "Kim Here", consents=())
    p.person("not consented, opted out")
    p.salesforce("soap.out@example.com", "Sol", "Out", HasOptedOutOfEmail=True)
    p.order("soap.out@example.com", "Sol Out", consents=())


def fill_crowd(b: Builder, people: int) -> None:
    """Add ordinary people in numbers: three of five consented, one of ten is known, one of fifty opted out."""
    p = Brand(b)
    given = (p.consent(),)
    for i in range(people):
        p.people += 1
        email = f"person{i}@example.com"
        p.order(email, f"Person Number{i}", "DELIVERED", given if i % 5 < 3 else (), days=1 + i % 30)
        if i % 10 == 0:
            p.everywhere(email, "Person", f"Number{i}")
        if i % 50 == 1:
            p.hubspot_status(email, "UNSUBSCRIBED", RECENT)
