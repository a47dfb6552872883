"""Calls HubSpot's date-based API: one method per call that is used.

Data flow: method call -> HTTP request -> the answer's JSON object, as it came; others say whom it is about.

Facts that shape it: a `DAILY` 429 lasts until the account's midnight, any other for seconds, and neither has done
anything; 423 (locked) holds for two seconds; a batch may hold fewer inputs than is written anywhere, so the greatest
number is learned from refusals.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.hubspot.names import HUBSPOT
from vs_st_pipeline.connectors.hubspot.settings import HubSpotSettings
from vs_st_pipeline.domain.codec import JSON, retry_after, safe_token
from vs_st_pipeline.domain.errors import NotSent, PipelineError, Refused, TryLater
from vs_st_pipeline.platform.cpu_slots import waiting
from vs_st_pipeline.platform.http.client import NOT_THERE, Answer, Bearer, HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

MOST: Final = 100  # inputs of a batch, as far as anybody says
MEMBERS: Final = 250  # of a page of a list's members
CONTACTS, STATUSES = "contacts", "statuses"  # calls that share a greatest number of inputs
LOCKED: Final = 423
LOCK_SECONDS: Final = 2.0
_MOST: Final = re.compile(
    r"\b(?:max(?:imum)?|limit(?:ed)?|at most|no more than|up to)\b\D{0,80}(\d{1,6})\b", re.IGNORECASE
)


class HubSpotClient:
    """Calls the API for one merchant.

    Raises (every method): `TryLater`, `BadKey`, `BadAnswer`; `Refused` for other 4xx of that one request.

    Attributes:
        sleep: waits so many seconds; another one in tests.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.section(HubSpotSettings)
        self._version = quote(settings.api_version, safe="")
        self._give_up_after = merchant.give_up_after.total_seconds()
        self._wait: float | None = None  # what the last answer asked for
        self._spent = False  # the account has no requests left for today
        self._most = {CONTACTS: MOST, STATUSES: MOST}
        self.sleep: Callable[[float], None] = time.sleep
        self.http = HttpClient(
            system=HUBSPOT,
            base_url=settings.base_url,
            auth=Bearer(settings.token.reveal()),
            pace=pace,
            give_up_after=self._give_up_after,
            trace_header="x-hubspot-correlation-id",
            error_code=lambda said: safe_token(said.get("category")),
            refusal=self._refusal,
            on_answer=self._heard,
            sleep=lambda seconds: self.sleep(seconds),
        )

    def _refusal(self, status: int, headers: Mapping[str, str], said: object) -> type[PipelineError] | None:
        policy = said.get("policyName") if isinstance(said, Mapping) else None
        if status != 429 or str(policy).upper() != "DAILY":
            return None
        self._spent = True
        return TryLater

    def _heard(self, headers: Mapping[str, str]) -> None:
        self._wait = retry_after(headers.get("Retry-After"), None)

    def pause(self, seconds: float) -> None:
        """Wait, without a CPU slot."""
        with waiting():
            self.sleep(seconds)

    # Greatest numbers.

    def most(self, what: str) -> int:
        """Return how many inputs a batch may have, as far as is known."""
        return self._most[what]

    def learn_most(self, what: str, refused: Refused, asked: int) -> bool:
        """Take the greatest number of inputs from a refusal that names it; say whether it did."""
        named = _MOST.search(text_in(refused.said))
        if named is None or not 0 < int(named[1]) < asked:
            return False
        self._most[what] = int(named[1])
        return True

    def in_batches(
        self, what: str, keys: Sequence[str], ask: Callable[[Sequence[str]], Any]
    ) -> list[tuple[Sequence[str], Any]]:
        """Read about all of these, in as many requests as it takes; one that is refused is halved.

        Returns:
            What was asked and answered, request by request; a key that is refused by itself is in none.
        """
        answers: list[tuple[Sequence[str], Any]] = []
        queue = deque([list(keys)] if keys else [])
        fit, culprits = 0, 0
        halved = False
        while queue:
            some = queue.popleft()
            most = self._most[what]
            if len(some) > most:
                queue.extendleft(reversed([some[at : at + most] for at in range(0, len(some), most)]))
                continue
            try:
                answers.append((some, ask(some)))
                fit = max(fit, len(some)) if halved else fit
            except Refused as refused:
                if refused.http_status in NOT_THERE:  # the call itself, not what it was asked about
                    raise
                if len(some) == 1:
                    culprits += 1
                elif self.learn_most(what, refused, len(some)):
                    queue.appendleft(some)
                else:
                    halved = True
                    queue.extendleft((some[len(some) // 2 :], some[: len(some) // 2]))
        if fit and not culprits:  # it was the number, and nobody in particular
            self._most[what] = fit
        return answers

    # Reads.

    def details(self) -> Any:
        """Read the account that the token belongs to."""
        return self._read("account_details", "GET", f"/account-info/{self._version}/details")

    def properties(self) -> Any:
        """Read the properties of contacts."""
        return self._read("properties", "GET", f"/crm/properties/{self._version}/contacts")

    def definitions(self) -> Any:
        """Read the subscription types."""
        return self._read("definitions", "GET", f"/communication-preferences/{self._version}/definitions")

    def one_list(self, list_id: str) -> Any:
        """Read what kind of list it is."""
        return self._read("list", "GET", self._list(list_id))

    def read_contacts(self, keys: Sequence[str], properties: Sequence[str], *, by_email: bool) -> Any:
        """Read contacts by id, or by e-mail."""
        form: dict[str, Any] = {"inputs": [{"id": key} for key in keys], "properties": list(properties)}
        if by_email:
            form["idProperty"] = "email"
        return self._read("read_contacts", "POST", self._contacts("batch/read"), form)

    def contact(self, key: str, properties: Sequence[str], *, by_email: bool) -> Any:
        """Read one contact. Raises Refused with 404 where there is none."""
        params = {"properties": ",".join(properties), **({"idProperty": "email"} if by_email else {})}
        return self._read("contact", "GET", self._contacts(quote(key, safe="")), params=params)

    def statuses(self, emails: Sequence[str]) -> Any:
        """Read how these addresses stand to each subscription type."""
        return self._read("statuses", "POST", self._statuses("read"), {"inputs": list(emails)}, {"channel": "EMAIL"})

    def wide_statuses(self, emails: Sequence[str]) -> Any:
        """Read which of these addresses opted out of everything."""
        path = self._statuses("unsubscribe-all/read")
        return self._read("wide_statuses", "POST", path, {"inputs": list(emails)}, {"channel": "EMAIL"})

    def members(self, list_id: str, after: str | None = None) -> Any:
        """Read a page of a list's members."""
        params: dict[str, str | int] = {"limit": MEMBERS, **({} if after is None else {"after": after})}
        return self._read("members", "GET", f"{self._list(list_id)}/memberships", params=params)

    def lists_of(self, record_id: str) -> Any:
        """Read which lists one contact is on."""
        path = f"/crm/lists/{self._version}/records/0-1/{quote(record_id, safe='')}/memberships"
        return self._read("lists_of", "GET", path)

    def _read(
        self, call: str, method: str, path: str, form: Any = None, params: Mapping[str, str | int] | None = None
    ) -> Any:
        self._require_some_left(call)
        for left in (2, 1, 0):
            try:
                answer: Answer[Any] = self.http.request(call, method, path, shape=JSON, json=form, params=params)
                return answer.value
            except Refused as refused:
                if refused.http_status != LOCKED:
                    raise
                error = refused
            if left:
                self.pause(LOCK_SECONDS)
        raise TryLater("The record is locked", system=HUBSPOT, call=call, http_status=error.http_status)

    # Writes: one request each.

    def create_contacts(self, inputs: Sequence[Mapping[str, Any]]) -> Answer[Any]:
        """Create contacts."""
        return self._write("create_contacts", "POST", self._contacts("batch/create"), {"inputs": list(inputs)})

    def update_contacts(self, inputs: Sequence[Mapping[str, Any]]) -> Answer[Any]:
        """Update contacts by id."""
        return self._write("update_contacts", "POST", self._contacts("batch/update"), {"inputs": list(inputs)})

    def write_statuses(self, inputs: Sequence[Mapping[str, Any]]) -> Answer[Any]:
        """Write how addresses stand to subscription types."""
        return self._write("write_statuses", "POST", self._statuses("write"), {"inputs": list(inputs)})

    def add_members(self, list_id: str, record_ids: Sequence[str]) -> Answer[Any]:
        """Add contacts to a list."""
        return self._write("add_members", "PUT", f"{self._list(list_id)}/memberships/add", list(record_ids))

    def remove_members(self, list_id: str, record_ids: Sequence[str]) -> Answer[Any]:
        """Remove contacts from a list."""
        return self._write("remove_members", "PUT", f"{self._list(list_id)}/memberships/remove", list(record_ids))

    def _write(self, call: str, method: str, path: str, form: Any) -> Answer[Any]:
        """Send a write once; again only where it was certainly not taken, because there were too many requests.

        Raises:
            NotSent: it was never taken.
        """
        self._require_some_left(call)
        until = time.monotonic() + self._give_up_after
        gap = 0.5
        while True:
            try:
                return self.http.request(call, method, path, shape=JSON, json=form, once=True)
            except PipelineError as error:
                if not isinstance(error, TryLater) or error.http_status != 429:
                    raise
                refused, gap = error, min(2 * gap, 20.0)
            wait = self._wait if self._wait is not None and self._wait > 0 else gap
            if self._spent or time.monotonic() + wait > until:
                raise NotSent(refused.message, system=HUBSPOT, call=call, http_status=429, trace_id=refused.trace_id)
            self.pause(wait)

    def _require_some_left(self, call: str) -> None:
        if self._spent:
            raise NotSent("The system takes no more requests for today", system=HUBSPOT, call=call, http_status=429)

    # Paths.

    def _contacts(self, rest: str) -> str:
        return f"/crm/objects/{self._version}/contacts/{rest}"

    def _statuses(self, rest: str) -> str:
        return f"/communication-preferences/{self._version}/statuses/batch/{rest}"

    def _list(self, list_id: str) -> str:
        return f"/crm/lists/{self._version}/{quote(list_id, safe='')}"


def text_in(said: object) -> str:
    """Return the sentence of an error, to find what it is about; it may hold personal data."""
    return str(said.get("message") or "") if isinstance(said, Mapping) else ""
