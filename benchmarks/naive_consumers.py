"""The peer of route `consumers`: what a competent engineer writes in a day, as a no-code recipe does it.

Per event: the order is read; if it is approved and holds a consent of ours that was given, its consumer is written into
each CRM and subscribed there. It is written with care: one connection per host is kept, calls go in batches of the
size that each API takes, an event that came already is passed over by its id (SoPost says that it is for that), busy
answers are tried again after a while, and what an API says of single records is read. People without a consent are
written nowhere.

What it has not got is what takes more than a day: it keeps nothing but the ids of events, so it reads an order for each
of its events and writes the consumer as often; and it asks no CRM about anybody before it subscribes them. An upsert is
by the address at HubSpot and Klaviyo, and by a key of its own at Salesforce, as their guides say.

Run with a JSON file ({urls, keys, targets, events}); prints what it took as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import requests
from urllib3.util.retry import Retry

from benchmarks.memory import peak_mb
from benchmarks.requests_alone import OneContext

Record = dict[str, Any]
HUBSPOT_BATCH, KLAVIYO_BATCH, SALESFORCE_BATCH = 100, 1000, 200
NOT_YET_OR_NEVER = ("PENDING", "REJECTED")


class Api:
    """One system: a session that is kept, retries, and a count of requests."""

    def __init__(self, name: str, url: str, headers: Mapping[str, str], counts: Counter[str]) -> None:
        self._name, self._url, self._counts = name, url, counts
        self.session = requests.Session()
        again = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
        for scheme, adapter in (
            ("https://", OneContext(max_retries=again)),
            ("http://", OneContext(max_retries=again)),
        ):
            self.session.mount(scheme, adapter)
        self.session.headers.update(headers)

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send a request; an answer that is an error is raised, save 404."""
        self._counts[self._name] += 1
        answer = self.session.request(method, self._url + path, json=body, timeout=60, **more)
        if answer.status_code != 404:
            answer.raise_for_status()
        return answer


class Waiting:
    """People of one CRM who wait until there are enough of them for a request; the newest of an address counts."""

    def __init__(self, most: int, send: Callable[[list[Record]], None]) -> None:
        self._most, self._send = most, send
        self._people: dict[str, Record] = {}

    def add(self, person: Record) -> None:
        """Add somebody, and send where that makes enough."""
        self._people[person["email"]] = person
        if len(self._people) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Send whoever waits."""
        if self._people:
            people, self._people = list(self._people.values()), {}
            self._send(people)


class HubSpot:
    """Upserts by address, writes the subscription, adds to the list."""

    def __init__(self, api: Api, targets: Record, written: dict[str, set[str]]) -> None:
        self._api, self._targets, self._written = api, targets, written

    def send(self, people: list[Record]) -> None:
        """Send one batch."""
        inputs = [
            {"id": one["email"], "idProperty": "email", "properties": _hubspot(one), "objectWriteTraceId": str(i)}
            for i, one in enumerate(people)
        ]
        done = self._api("POST", "/crm/objects/2026-03/contacts/batch/upsert", {"inputs": inputs}).json()
        ids = [row["id"] for row in done["results"]]
        self._written["hubspot"].update(ids)
        wishes = [
            {
                "subscriberIdString": one["email"],
                "channel": "EMAIL",
                "subscriptionId": self._targets["subscription"],
                "statusState": "SUBSCRIBED",
                "legalBasis": "CONSENT_WITH_NOTICE",
                "legalBasisExplanation": f"SoPost order {one['short_id']}",
            }
            for one in people
        ]
        self._api("POST", "/communication-preferences/2026-03/statuses/batch/write", {"inputs": wishes})
        for list_id in self._targets["lists"]:
            self._api("PUT", f"/crm/lists/2026-03/{list_id}/memberships/add", ids)


class Klaviyo:
    """Imports profiles, and subscribes them to the list."""

    def __init__(self, api: Api, targets: Record, written: dict[str, set[str]]) -> None:
        self._api, self._list, self._written = api, targets["list"], written

    def send(self, people: list[Record]) -> None:
        """Send one batch."""
        profiles = [{"type": "profile", "attributes": _klaviyo(one)} for one in people]
        self._job("profile-bulk-import-job", profiles, {})
        marketing = {"subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
        named = [{"type": "profile", "attributes": {"email": one["email"], **marketing}} for one in people]
        related = {"relationships": {"list": {"data": {"type": "list", "id": self._list}}}}
        self._job("profile-subscription-bulk-create-job", named, related, custom_source="SoPost")
        self._written["klaviyo"].update(one["email"] for one in people)

    def _job(self, kind: str, profiles: list[Record], related: Record, **more: Any) -> None:
        body = {"data": {"type": kind, "attributes": {"profiles": {"data": profiles}, **more}, **related}}
        self._api("POST", f"/api/{kind}s", body)


class Salesforce:
    """Upserts by the key, and adds whoever was written to the campaign."""

    def __init__(self, api: Api, targets: Record, written: dict[str, set[str]]) -> None:
        self._api, self._campaign, self._written = api, targets["campaign"], written

    def send(self, people: list[Record]) -> None:
        """Send one batch."""
        records = [{"attributes": {"type": "Contact"}, **_salesforce(one)} for one in people]
        path = "/services/data/v67.0/composite/sobjects"
        done = self._api("PATCH", f"{path}/Contact/SoPost_Key__c", {"allOrNone": False, "records": records}).json()
        ids = [row["id"] for row in done if row["success"]]
        self._written["salesforce"].update(ids)
        members = [
            {"attributes": {"type": "CampaignMember"}, "CampaignId": self._campaign, "ContactId": id} for id in ids
        ]
        if members:
            # Whoever is a member already is told of as such, one by one, and that is well.
            self._api("POST", path, {"allOrNone": False, "records": members})


def _hubspot(one: Record) -> Record:
    return {
        "firstname": one["first"],
        "lastname": one["last"],
        "sopost_identity": one["identity"],
        "sopost_last_order": one["short_id"],
        "sopost_last_activity": one["activity_id"],
        "sopost_consents": one["consents"],
        "sopost_answers": one["answers"],
    }


def _klaviyo(one: Record) -> Record:
    properties = {
        "SoPost Identity": one["identity"],
        "SoPost Last Order": one["short_id"],
        "SoPost Last Activity": one["activity_id"],
        "SoPost Consents": [one["consents"]],
        "SoPost Answers": one["answers"],
    }
    return {"email": one["email"], "first_name": one["first"], "last_name": one["last"], "properties": properties}


def _salesforce(one: Record) -> Record:
    return {
        "SoPost_Key__c": one["email"][:80],
        "Email": one["email"],
        "FirstName": one["first"],
        "LastName": one["last"] or "-",
        "SoPost_Identity__c": one["identity"],
        "SoPost_Last_Order__c": one["short_id"],
        "SoPost_Last_Activity__c": one["activity_id"],
        "SoPost_Consents__c": one["consents"],
        "SoPost_Answers__c": one["answers"],
    }


def _person(order: Record, consent: Record) -> Record:
    first, _, last = str(order.get("full_name") or "").rpartition(" ")
    answers = [
        f"{question['question_text']}: " + ", ".join(answer["answer_text"] for answer in question["answer"])
        for question in order.get("custom_questions") or ()
    ]
    return {
        "email": order["email"].strip().lower(),
        "first": first,
        "last": last,
        "identity": order["identity"],
        "short_id": order["short_id"],
        "activity_id": order["activity_id"],
        "consents": consent["consent_name"],
        "answers": "\n".join(answers),
    }


def given(order: Record, consent_id: str, handler: str) -> Record | None:
    """Return the consent of an order that is ours and was given, if it has one."""
    for one in order.get("consents") or ():
        ours = (one.get("consent_id"), one.get("data_handler")) == (consent_id, handler)
        if ours and str(one.get("status")).upper() == "APPROVED":
            return dict(one)
    return None


def run(job: Record, events: Iterable[Record]) -> Record:
    """Work events off, one after the other; return counts of requests and of people written, by system."""
    counts = Counter[str]()
    written: dict[str, set[str]] = {"hubspot": set(), "klaviyo": set(), "salesforce": set()}
    urls, keys, targets = job["urls"], job["keys"], job["targets"]
    sopost = Api("sopost", urls["sopost"], {"Authorization": f"Bearer {keys['sopost_token']}"}, counts)
    hubspot = Api("hubspot", urls["hubspot"], {"Authorization": f"Bearer {keys['hubspot_token']}"}, counts)
    revision = {"revision": "2026-07-15", "Content-Type": "application/vnd.api+json"}
    key = {"Authorization": f"Klaviyo-API-Key {keys['klaviyo_key']}"}
    klaviyo = Api("klaviyo", urls["klaviyo"], {**revision, **key}, counts)
    salesforce = Api("salesforce", urls["salesforce"], {}, counts)
    form = {"grant_type": "client_credentials"}
    form |= {"client_id": keys["salesforce_id"], "client_secret": keys["salesforce_secret"]}
    token = salesforce("POST", "/services/oauth2/token", data=form).json()["access_token"]
    salesforce.session.headers["Authorization"] = f"Bearer {token}"
    crms = [
        Waiting(HUBSPOT_BATCH, HubSpot(hubspot, targets["hubspot"], written).send),
        Waiting(KLAVIYO_BATCH, Klaviyo(klaviyo, targets["klaviyo"], written).send),
        Waiting(SALESFORCE_BATCH, Salesforce(salesforce, targets["salesforce"], written).send),
    ]
    seen: set[str] = set()
    for event in events:
        if event["event_id"] in seen:
            continue
        seen.add(event["event_id"])
        answer = sopost("GET", f"/orders/{quote(event['order_id'], safe='')}")
        order = answer.json() if answer.status_code == 200 else {}
        if str(order.get("status", "PENDING")).upper() in NOT_YET_OR_NEVER or not order.get("email"):
            continue
        consent = given(order, targets["consent_id"], targets["data_handler"])
        if consent is not None:
            person = _person(order, consent)
            for crm in crms:
                crm.add(person)
    for crm in crms:
        crm.flush()
    people = {name: len(ids) for name, ids in written.items()}
    return {"requests": dict(counts), "written": people, "events": len(seen)}


def main() -> None:
    """Run a job and measure it."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    wall, cpu = time.perf_counter(), time.process_time()
    with open(job["events"], encoding="utf-8") as lines:
        found = run(job, map(json.loads, lines))
    found["cpu"], found["wall"] = time.process_time() - cpu, time.perf_counter() - wall
    found["peak_mb"] = peak_mb()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
