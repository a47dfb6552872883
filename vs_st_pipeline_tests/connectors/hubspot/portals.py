"""A merchant's portal for tests: the connector over a real socket, and a small route that only does as it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.connectors.hubspot.crm import connect_crm
from vs_st_pipeline.connectors.hubspot.settings import HubSpotSettings
from vs_st_pipeline.domain.crm import Consent, Crm, Ended, Item, Result, Seen, Setup, Sought, State, Step, Target
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline_tests.sandbox.served import GLOW, Served

NEWS, TRIAL = Target("123456", ("42",)), Target("123457")
FIELDS = ("firstname", "lastname", "sopost_order_count")
CONSENT = Consent("SoPost consent c (Glow Skin news) for Glow Skin", "SoPost consent c, order A1")


class Unhurried:
    """A pace without waits."""

    def wait(self) -> float:
        return 0.0


class Portal:
    """One sync of one merchant.

    Attributes:
        slept: seconds of every wait, none of which is waited.
        meanwhile: called at each wait.
    """

    def __init__(self, box: Served, merchant: str = GLOW, token: str | None = None, **settings: Any) -> None:
        self.box = box
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        own = HubSpotSettings.model_construct(
            base_url=box.url, token=Secret(token or f"hubspot-token-of-{merchant}", "env:T"), **settings
        )
        self.merchant = Merchant(merchant, merchant, sections={"hubspot": own}, give_up_after=timedelta(seconds=20))
        self.client = HubSpotClient(self.merchant, Unhurried())
        self.client.sleep = self._sleep
        self.crm: Crm = connect_crm(self.client, self.merchant)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()

    def close(self) -> None:
        self.client.http.close()

    def begin(self, *targets: Target) -> Setup:
        return self.crm.begin(targets or (NEWS, TRIAL))

    def look(self, *people: Sought, targets: Sequence[Target] = (NEWS, TRIAL)) -> dict[str, Seen]:
        """What is seen of each, by address."""
        found = self.crm.look(people, targets, FIELDS)
        names = {person.key: person.email for person in people}
        return {names[key]: seen for key, seen in found.items()}

    def send(self, step: Step, items: Sequence[Item]) -> dict[str, Result]:
        """What became of each, by its id: refused requests are halved, and what was not done or locked goes again."""
        found: dict[str, Result] = {}
        queue = list(self.crm.requests(step, items))
        for _ in range(200):
            if not queue:
                return found
            some = queue.pop(0)
            try:
                results = self.crm.send(step, some)
            except Refused:
                assert len(some) > 1, "one alone is judged"
                queue[:0] = [some[: len(some) // 2], some[len(some) // 2 :]]
                continue
            again = [one for one in some if one.id in results and results[one.id].ended is Ended.NOT_DONE]
            queue[:0] = [again] if again else []
            found.update({one.id: results[one.id] for one in some if one.id in results and one not in again})
        raise AssertionError("it never ends")

    def writes(self) -> list[dict[str, Any]]:
        """The writes of the journal, in order."""
        ends = ("batch/create", "batch/update", "batch/write", "memberships/add", "memberships/remove")
        return [entry for entry in self.box.control.journal() if entry["path"].endswith(ends)]

    def books(self, *what: str) -> list[tuple[str, str]]:
        """What the API did: word and address (or id)."""
        return [(one["what"], one.get("email") or one["id"]) for one in self.box.control.books() if one["what"] in what]


def sought(email: str, record_id: str | None = None) -> Sought:
    """Somebody by address."""
    email_key = email.strip().lower()
    return Sought("sp_" + hashlib.sha256(email_key.encode()).hexdigest()[:40], email, email_key, record_id)


def people(*emails: str) -> list[Sought]:
    return [sought(email) for email in emails]


def fields(person: Sought, record_id: str | None = None, **values: str) -> Item:
    return Item(f"f-{person.key}", person, record_id, values)


def consent(person: Sought, target: Target = NEWS, record_id: str | None = None) -> Item:
    return Item(f"c-{target.id}-{person.key[:40]}", person, record_id, target=target, consent=CONSENT)


def listed(person: Sought, record_id: str, *lists: str) -> Item:
    return Item(f"l-{person.key}", person, record_id, target=NEWS, consent=CONSENT, lists=lists or NEWS.lists)


def ended(results: Mapping[str, Result], items: Iterable[Item]) -> list[str]:
    """How each ended, in order; `-` for an item that nothing names."""
    return [results[item.id].ended.value if item.id in results else "-" for item in items]


class TinyRoute:
    """Writes and subscribes whom it is given, as the route does, and remembers their ids as the ledger does.

    Attributes:
        ids: of contacts, by key. done: whose consent is spent, by key.
        ended: how the last write of each step ended, by address and step.
        held: why somebody is not written, by address.
    """

    def __init__(self, people: Sequence[Sought], values: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.people = {person.key: person for person in people}
        self.values = values or {}
        self.earliest = datetime.now(UTC) - timedelta(days=1)  # of everybody's consent
        self.ids: dict[str, str] = {}
        self.done: set[str] = set()
        self.ended: dict[tuple[str, Step], str] = {}
        self.held: dict[str, str] = {}

    def sync(self, portal: Portal) -> None:
        """One sync: who was there unexpectedly is looked at again."""
        self.ended, self.held = {}, {}
        self.can_subscribe = portal.begin(NEWS).targets[NEWS].missing is None
        todo = list(self.people)
        for _ in range(3):
            todo = self._round(portal, todo) if todo else []

    def _round(self, portal: Portal, keys: Sequence[str]) -> list[str]:
        asked = [replace(self.people[key], record_id=self.ids.get(key)) for key in keys]
        looks = portal.crm.look(asked, (NEWS,), FIELDS)
        seen = {person.key: looks[person.key] for person in asked if person.key in looks and self._may(person, looks)}
        self.ids.update({key: look.record.id for key, look in seen.items() if look.record is not None})
        items = [
            fields(self.people[key], self.ids.get(key), **wanted)
            for key, look in seen.items()
            if (wanted := self._wanted(key, look))
        ]
        told = self._sent(portal, Step.FIELDS, items)
        refused = {item.person.key for item in items if told.get(item.id) is not Ended.ACCEPTED}
        open_ = {
            key: look.standings[NEWS]
            for key, look in seen.items()
            if key not in refused | self.done and self.can_subscribe
        }
        wishes = [
            consent(self.people[key], record_id=self.ids[key])
            for key, one in open_.items()
            if one.state is not State.SUBSCRIBED
        ]
        told |= self._sent(portal, Step.CONSENT, wishes)
        joins = [self.people[key] for key, one in open_.items() if one.missing]
        joins += [wish.person for wish in wishes if told.get(wish.id) is Ended.ACCEPTED]
        adds = [listed(person, self.ids[person.key]) for person in joins]
        told |= self._sent(portal, Step.LISTS, adds)
        self.done |= {key for key, one in open_.items() if one.state is State.SUBSCRIBED and not one.missing}
        self.done |= {add.person.key for add in adds if told.get(add.id) is Ended.ACCEPTED}
        return [item.person.key for item in items if told.get(item.id) is Ended.EXISTS]

    def _may(self, person: Sought, looks: Mapping[str, Seen]) -> bool:
        look = looks[person.key]
        standing = look.standings[NEWS]
        late = standing.state is State.UNSUBSCRIBED and (standing.since is None or standing.since > self.earliest)
        if look.held or late:
            self.held[person.email] = look.held or "unsubscribed_there"
        return not (look.held or late)

    def _wanted(self, key: str, look: Seen) -> dict[str, str]:
        now = look.record.values if look.record is not None else dict.fromkeys(FIELDS, "")
        wanted = {
            "firstname": now["firstname"] or "New",
            "lastname": now["lastname"] or "Person",
            "sopost_order_count": "2",
        }
        wanted |= self.values.get(self.people[key].email, {})
        return {name: value for name, value in wanted.items() if value != now[name]}

    def _sent(self, portal: Portal, step: Step, items: Sequence[Item]) -> dict[str, Ended]:
        told = portal.send(step, items) if items else {}
        known = {item.person.key: told[item.id].record_id for item in items if item.id in told}
        self.ids.update({key: id_ for key, id_ in known.items() if id_ and step is Step.FIELDS})
        self.ended.update({(item.person.email, step): told[item.id].ended.value for item in items if item.id in told})
        return {id_: result.ended for id_, result in told.items()}
