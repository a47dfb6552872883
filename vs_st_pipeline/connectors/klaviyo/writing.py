"""Sends what changes something: profiles, subscriptions, memberships of lists, and what undoes them.

Data flow: `Item`s -> requests within Klaviyo's limits -> what became of each item.

Only an import says what became of whom: one of a profile by its answer, a job by its errors. Of all else the answer is
a bare 202 or 204, so it is `TAKEN`, and looked for. Nobody is subscribed, or put on a list, unless they were looked at
within the last minute, asked right before the request leaves.

It is long because each kind of request is read beside what counts as its answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final

from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.profile import clears_own_field, email_key_of, written
from vs_st_pipeline.domain.codec import encode, safe_token, try_json
from vs_st_pipeline.domain.crm import Ended, Item, Result, Step
from vs_st_pipeline.domain.errors import Internal, Refused

IMPORT, IMPORT_BYTES = 1000, 4_000_000  # profiles and bytes of one job
SUBSCRIBE, MOVE, UNSUBSCRIBE = 1000, 1000, 100  # documented maxima
NOT_FOUND, NO_TARGET, MUST_CONFIRM = "not_found", "no_target", "must_confirm"
LOOKED_WITHIN: Final = 60.0  # seconds between a look and a subscription (consumers.md 7.4)
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0  # seconds between two looks at a job
_COMPLETE, _CANCELLED = "complete", "cancelled"
_PLACE: Final = re.compile(r"/data/attributes/profiles/data/([0-9]{1,6})(?:/|$)", re.ASCII)

Results = Mapping[str, Result]


class Writer:
    """Writes to one account, during one sync."""

    def __init__(
        self,
        client: KlaviyoClient,
        *,
        one_by_one: int,
        job_wait: float,
        looked_at: Callable[[str], float | None],
        confirms: Set[str] = frozenset(),
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            one_by_one: so many profiles of a sync are imported singly; with one more they go by jobs.
            job_wait: seconds that a job may take.
            looked_at: returns when a person was last looked at, by `Sought.key` and `time.monotonic()`.
            confirms: lists that people get onto by their own confirmation alone.
            renamed: addresses of profiles that have another one now, by `Sought.key`.
        """
        self._client = client
        self._one_by_one = one_by_one
        self._job_wait = self._patience = job_wait
        self._looked_at = looked_at
        self._confirms = confirms
        self._renamed = renamed
        self._imports = 0
        self._singly: set[str] = set()

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests; an item is in exactly one."""
        match step:
            case Step.FIELDS:
                return self._import_requests(items)
            case Step.CONSENT:
                return _grouped(items, _consent_of, SUBSCRIBE)
            case Step.WITHDRAW:
                return [
                    *_grouped([one for one in items if not one.wholly], _target_of, MOVE),
                    *_grouped([one for one in items if one.wholly], _target_of, UNSUBSCRIBE),
                ]
            case _:
                return _grouped(items, lambda item: item.lists, MOVE)

    def send(self, step: Step, items: Sequence[Item]) -> Results:
        """Send one request; see `domain.crm.Crm.send`."""
        try:
            match step:
                case Step.FIELDS if len(items) == 1 and items[0].id in self._singly:
                    return self._import_one(items[0])
                case Step.FIELDS:
                    return self._import_job(items)
                case Step.CONSENT:
                    self._subscribe(items)
                case Step.LISTS if not self._confirms.isdisjoint(items[0].lists):
                    return {item.id: Result(Ended.REJECTED, code=MUST_CONFIRM) for item in items}
                case Step.LISTS:
                    self._add(items)
                case Step.WITHDRAW:
                    self._withdraw(items)
                case Step.UNLIST:
                    self._remove(items)
        except Refused as error:
            return self._refused(step, items, error)
        return {item.id: Result(Ended.TAKEN) for item in items}

    # Profiles.

    def _import_requests(self, items: Sequence[Item]) -> list[list[Item]]:
        self._imports += len(items)
        few = self._imports <= self._one_by_one
        singly = [item for item in items if few or clears_own_field(item)]
        self._singly.update(item.id for item in singly)
        alone = {item.id for item in singly}
        return [[item] for item in singly] + list(_jobs_of([item for item in items if item.id not in alone]))

    def _import_one(self, item: Item) -> Results:
        told = self._client.import_profile(written(item, null_clears=True))
        named = told is not None and (
            told.id == item.record_id if item.record_id else told.email_key == item.person.email_key
        )
        return {item.id: Result(Ended.ACCEPTED, record_id=told.id)} if told is not None and named else {}

    def _import_job(self, items: Sequence[Item]) -> Results:
        job_id = self._client.start_import([written(item, null_clears=False) for item in items])
        if job_id is None:
            return {}
        try:
            done = self._finished(job_id)
        except Refused:  # that the job cannot be read says nothing of what it does
            done = None
        if done is None:  # it may be done yet: the same job once more would only stand in line behind it
            return {item.id: Result(Ended.TAKEN) for item in items}
        if str(done.get("status") or "").strip().lower() != _COMPLETE or done.get("total_count") not in (
            None,
            len(items),
        ):
            return {}
        failed = done.get("failed_count")
        if isinstance(failed, bool) or not isinstance(failed, int):
            return {}
        try:
            bad = _rejected(items, self._client.import_errors(job_id)) if failed else {}
        except Refused:
            return {}
        if len(bad) != failed:  # some failed whom no error names: nobody else can be said to have not
            return bad
        return {item.id: bad.get(item.id) or Result(Ended.ACCEPTED, record_id=item.record_id) for item in items}

    def _finished(self, job_id: str) -> Mapping[str, Any] | None:
        """Wait until a job is done or was given up, and return its attributes; None where that is not in time.

        After a job that was not in time the next ones are waited for less, until one is: a sync of many jobs would
        else wait for each of them.
        """
        ends, wait = time.monotonic() + self._patience, _FIRST_WAIT
        while True:
            told = self._client.import_job(job_id)
            status = str(told.get("status") or "").strip().lower()
            if status == _COMPLETE:
                self._patience = self._job_wait
            if status in (_COMPLETE, _CANCELLED):
                return told
            left = ends - time.monotonic()
            if left <= 0:
                self._patience /= 4
                return None
            self._client.sleep(min(wait, left))
            wait = min(2 * wait, _LONGEST_WAIT)

    # Consent and lists.

    def _subscribe(self, items: Sequence[Item]) -> None:
        list_id, source, historical = _consent_of(items[0])
        profiles = [{"type": "profile", "attributes": _subscribing(item)} for item in items]
        attributes: dict[str, Any] = {"custom_source": source, "profiles": {"data": profiles}}
        if historical:
            attributes["historical_import"] = True
        self._client.subscribe(list_id, attributes, self._fresh(items))

    def _add(self, items: Sequence[Item]) -> None:
        for list_id in items[0].lists:
            self._client.add_to_list(list_id, _ids(items), self._fresh(items))

    def _remove(self, items: Sequence[Item]) -> None:
        for list_id in items[0].lists:
            self._client.remove_from_list(list_id, _ids(items))

    def _withdraw(self, items: Sequence[Item]) -> None:
        """Take people off the list, and unsubscribe those who are subscribed to nothing of ours any more."""
        list_id = _target_of(items[0])
        if items[0].wholly:  # first, so that nobody who is off the list counts as unsubscribed where only that was done
            out = {"subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
            emails = [self._renamed.get(item.person.key) or item.person.email for item in items]
            profiles = [{"type": "profile", "attributes": {"email": email, **out}} for email in emails]
            self._client.unsubscribe(profiles)
        if known := [item for item in items if item.record_id is not None]:
            self._client.remove_from_list(list_id, _ids(known))

    def _fresh(self, items: Sequence[Item]) -> Callable[[], bool]:
        """Return what is asked right before a request leaves: was everybody in it looked at within the last minute?"""
        times = [self._looked_at(item.person.key) for item in items]
        oldest = None if None in times else min(at for at in times if at is not None)
        return lambda: oldest is not None and time.monotonic() - oldest < LOOKED_WITHIN

    def _refused(self, step: Step, items: Sequence[Item], error: Refused) -> Results:
        code = error.code or str(error.http_status)
        if error.http_status == 404 and step is Step.CONSENT:
            return {item.id: Result(Ended.REJECTED, code=NO_TARGET, http_status=404) for item in items}
        if len(items) == 1:
            return {items[0].id: Result(Ended.REJECTED, code=code, http_status=error.http_status)}
        said = error.said.get("errors") if isinstance(error.said, Mapping) else None
        errors = [one for one in said if isinstance(one, Mapping)] if isinstance(said, list) else []
        if not (bad := _rejected(items, errors, error.http_status)):
            raise error
        return {item.id: bad.get(item.id) or Result(Ended.NOT_DONE) for item in items}


def _jobs_of(items: Iterable[Item]) -> Iterator[list[Item]]:
    some: list[Item] = []
    size = 0
    for item in items:
        own = len(encode(written(item, null_clears=False)) or b"") + 1
        if some and (len(some) == IMPORT or size + own > IMPORT_BYTES):
            yield some
            some, size = [], 0
        some.append(item)
        size += own
    if some:
        yield some


def _grouped(items: Iterable[Item], key: Callable[[Item], Any], most: int) -> list[list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group[at : at + most] for group in groups.values() for at in range(0, len(group), most)]


def _target_of(item: Item) -> str:
    if item.target is None:
        raise Internal("An item has no target")
    return item.target.id


def _consent_of(item: Item) -> tuple[str, str, bool]:
    if item.consent is None:
        raise Internal("A subscription rests on no consent")
    historical = item.consent.consented_at is not None and not item.confirms
    return _target_of(item), item.consent.source, historical


def _subscribing(item: Item) -> dict[str, Any]:
    marketing = {"consent": "SUBSCRIBED"}
    if _consent_of(item)[2] and item.consent is not None and item.consent.consented_at is not None:
        marketing["consented_at"] = item.consent.consented_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"email": item.person.email, "subscriptions": {"email": {"marketing": marketing}}}


def _ids(items: Iterable[Item]) -> list[str]:
    ids = [item.record_id for item in items]
    found = [one for one in ids if one is not None]
    if len(found) < len(ids):
        raise Internal("Somebody without a profile cannot be moved on a list")
    return list(dict.fromkeys(found))


def _rejected(
    items: Sequence[Item], errors: Iterable[Mapping[str, Any]], http_status: int | None = None
) -> dict[str, Result]:
    """Return whom errors are about: by the profile that one repeats, else by its place in the request."""
    by_id = {item.record_id: item for item in items if item.record_id}
    by_email = {item.person.email_key: item for item in items}
    found: dict[str, Result] = {}
    for error in errors:
        item = _repeated(error.get("original_payload"), by_id, by_email) or _placed(error, items)
        if item is not None:
            code = safe_token(error.get("code")) or "invalid"
            found[item.id] = Result(Ended.REJECTED, code=code, http_status=404 if code == NOT_FOUND else http_status)
    return found


def _repeated(payload: object, by_id: Mapping[str, Item], by_email: Mapping[str, Item]) -> Item | None:
    said = try_json(payload) if isinstance(payload, str) else payload
    if not isinstance(said, Mapping):
        return None
    inner = said.get("attributes")
    email = (inner if isinstance(inner, Mapping) else said).get("email")
    id_ = said.get("id")
    found = by_id.get(id_) if isinstance(id_, str) else None
    return found or (by_email.get(email_key_of(email)) if isinstance(email, str) else None)


def _placed(error: Mapping[str, Any], items: Sequence[Item]) -> Item | None:
    source = error.get("source")
    pointer = source.get("pointer") if isinstance(source, Mapping) else None
    found = _PLACE.match(pointer) if isinstance(pointer, str) else None
    return items[int(found[1])] if found and int(found[1]) < len(items) else None
