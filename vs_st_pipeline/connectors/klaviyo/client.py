"""Calls Klaviyo's API: one method per call that is used.

Data flow: method call -> HTTP request (JSON:API, `revision` header) -> checked rows, or an error that says what to do.

Facts that shape it: the subscribe job lifts suppressions of whomever it names, so no write is ever sent a second time
here but after a 429, which says that nothing was done; a job's answer comes before it has done anything; whoever is not
on the list that an unsubscribe job names is unsubscribed from everything, so no such job names a list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from vs_st_pipeline.connectors.klaviyo.names import KLAVIYO
from vs_st_pipeline.connectors.klaviyo.profile import Profile, profile_of
from vs_st_pipeline.connectors.klaviyo.settings import KlaviyoSettings
from vs_st_pipeline.domain.codec import JSON, epoch_seconds, plain_code, retry_after
from vs_st_pipeline.domain.errors import BadAnswer, BadSettings, PipelineError, Refused, TryLater
from vs_st_pipeline.platform.cpu_slots import releasing
from vs_st_pipeline.platform.http.client import HeaderKey, HttpClient, NoBody, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

JSON_API: Final = "application/vnd.api+json"
PAGE_SIZE: Final = 100  # documented maximum
_MOST_PAGES: Final = 1000
_LONGEST_BACKOFF: Final = 20.0  # seconds
_RETIRED: Final = (
    "revision retired: Klaviyo no longer serves the revision of its interface that is set; set `revision` under "
    "`klaviyo` to a newer one"
)

MayLeave = Callable[[], bool]


def error_code(body: Mapping[str, Any]) -> str | None:
    """Return the code of the first error of a body."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return plain_code(first) if isinstance(first, Mapping) else None


def filter_of(emails: Sequence[str]) -> str:
    """Return the filter that finds these addresses: none of them can end it, whatever it holds."""
    quoted = [json.dumps(email, ensure_ascii=False) for email in emails]
    return f"equals(email,{quoted[0]})" if len(quoted) == 1 else f"any(email,[{','.join(quoted)}])"


def _refusal(status: int, headers: Mapping[str, str], said: object) -> type[PipelineError] | None:
    return BadSettings if status == 410 else None


class KlaviyoClient:
    """Calls the API for one merchant.

    Raises (every method): `TryLater`, `BadKey`, `BadAnswer`, `BadSettings` for a retired revision; `Refused` for other
    4xx of that one request. A method that writes sends once, and again only after a 429.
    """

    def __init__(self, merchant: Merchant, pace: Pace, *, sleep: Callable[[float], None] = time.sleep) -> None:
        settings = merchant.section(KlaviyoSettings)
        self.http = HttpClient(
            system=KLAVIYO,
            base_url=settings.base_url,
            auth=HeaderKey(f"Klaviyo-API-Key {settings.api_key.reveal()}"),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
            error_code=error_code,
            content_type=JSON_API,
            refusal=_refusal,
            on_answer=self._heard,
            sleep=sleep,
        )
        self.sleep = releasing(sleep)
        self._headers = {"Accept": JSON_API, "revision": settings.revision}
        self._give_up_after = merchant.give_up_after.total_seconds()
        self._retry_after: float | None = None  # of the last answer, seconds

    def _heard(self, headers: Mapping[str, str]) -> None:
        self._retry_after = retry_after(headers.get("Retry-After"), epoch_seconds(headers.get("Date")))

    def _ask(self, call: str, method: str, path: str, **more: Any) -> Any:
        try:
            return self.http.request(call, method, path, headers=self._headers, **more).value
        except BadSettings as error:
            if error.http_status != 410:
                raise
        raise BadSettings(_RETIRED, system=KLAVIYO, call=call, http_status=410)

    def _read(self, call: str, path: str) -> Mapping[str, Any]:
        told = self._ask(call, "GET", path, shape=JSON)
        if not isinstance(told, Mapping) or told.get("errors"):
            raise _bad(call, "the answer is no data")
        return told

    def _write(self, call: str, method: str, path: str, body: object, shape: Any, may_leave: MayLeave | None) -> Any:
        """Send once; after a 429, which says that nothing was done, again within the time that a request has."""
        waited, backoff = 0.0, 0.5
        while True:
            try:
                return self._ask(call, method, path, json=body, shape=shape, once=True, may_leave=may_leave)
            except TryLater as error:
                wait = max(self._retry_after or 0.0, backoff)
                if error.http_status != 429 or waited + wait >= self._give_up_after:
                    raise
            self.sleep(wait)
            waited, backoff = waited + wait, min(2 * backoff, _LONGEST_BACKOFF)

    def _rows(self, call: str, path: str, query: str) -> list[object]:
        """Read all pages of a list; of a link to the next one only its cursor is taken, never its host."""
        rows: list[object] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            more = f"&page%5Bcursor%5D={quote(cursor, safe='')}" if cursor else ""
            told = self._read(call, f"{path}?{query}{more}")
            if not isinstance(told.get("data"), list):
                raise _bad(call, "the answer is no list")
            rows += told["data"]
            links = told.get("links")
            last, cursor = cursor, _cursor(links.get("next") if isinstance(links, Mapping) else None)
            if not cursor:
                return rows
            if cursor == last:
                break
        raise _bad(call, "the list does not end")

    def account(self) -> Mapping[str, Any]:
        """Read the account behind the key: `id`, `attributes`."""
        told = self._read("account", "/api/accounts").get("data")
        row = told[0] if isinstance(told, list) and told else None
        if not isinstance(row, Mapping) or not isinstance(row.get("id"), str) or not row["id"]:
            raise _bad("account", "the answer names no account")
        return row

    def list_(self, id_: str) -> Mapping[str, Any]:
        """Read a list's attributes. Raises `Refused` with 404 where there is none."""
        told = self._read("list", f"/api/lists/{quote(id_, safe='')}").get("data")
        if not isinstance(told, Mapping) or told.get("id") != id_ or not isinstance(told.get("attributes"), Mapping):
            raise _bad("list", "the answer is not the list that was asked for")
        found: Mapping[str, Any] = told["attributes"]
        return found

    def profiles(self, emails: Sequence[str]) -> list[Profile | None]:
        """Find profiles with their subscriptions by address, at most as many as one filter takes; None: a bad row."""
        query = f"filter={_in_query(filter_of(emails))}&additional-fields%5Bprofile%5D=subscriptions"
        return [*map(profile_of, self._rows("profiles", "/api/profiles", f"{query}&page%5Bsize%5D={PAGE_SIZE}"))]

    def members(self, list_id: str, emails: Sequence[str]) -> list[Profile | None]:
        """Find those of these addresses that are on a list."""
        query = f"filter={_in_query(filter_of(emails))}&page%5Bsize%5D={PAGE_SIZE}"
        return [*map(profile_of, self._rows("list_profiles", f"/api/lists/{quote(list_id, safe='')}/profiles", query))]

    def profile(self, id_: str) -> Profile | None:
        """Read one profile by its id; one that it was merged into answers for it. None: there is none."""
        path = f"/api/profiles/{quote(id_, safe='')}?additional-fields%5Bprofile%5D=subscriptions"
        try:
            found = profile_of(self._read("profile", path).get("data"))
        except Refused as error:
            if error.http_status != 404:
                raise
            return None
        if found is None:
            raise _bad("profile", "the answer is not enough of a profile to be believed")
        return found

    # Writing.

    def import_profile(self, profile: Mapping[str, Any]) -> Profile | None:
        """Create or update one profile; None: the answer names none."""
        told = self._write("import_profile", "POST", "/api/profile-import", {"data": profile}, JSON, None)
        return profile_of(told.get("data") if isinstance(told, Mapping) else None)

    def start_import(self, profiles: Sequence[Mapping[str, Any]]) -> str | None:
        """Begin a job that creates and updates profiles; return its id, None where the answer has none."""
        body = _job("profile-bulk-import-job", {"profiles": {"data": list(profiles)}})
        told = self._write("start_import", "POST", "/api/profile-bulk-import-jobs", body, JSON, None)
        row = told.get("data") if isinstance(told, Mapping) else None
        id_ = row.get("id") if isinstance(row, Mapping) else None
        return id_ if isinstance(id_, str) and id_ else None

    def import_job(self, job_id: str) -> Mapping[str, Any]:
        """Read how far a job is: its attributes, empty where the answer is not about it."""
        told = self._read("import_job", f"/api/profile-bulk-import-jobs/{quote(job_id, safe='')}").get("data")
        if not isinstance(told, Mapping) or told.get("id") != job_id or not isinstance(told.get("attributes"), Mapping):
            return {}
        found: Mapping[str, Any] = told["attributes"]
        return found

    def import_errors(self, job_id: str) -> list[Mapping[str, Any]]:
        """Read what a job could not write: attributes of each error."""
        path = f"/api/profile-bulk-import-jobs/{quote(job_id, safe='')}/import-errors"
        rows = self._rows("import_errors", path, f"page%5Bsize%5D={PAGE_SIZE}")
        attributes = [row.get("attributes") for row in rows if isinstance(row, Mapping)]
        return [one for one in attributes if isinstance(one, Mapping)]

    def subscribe(self, list_id: str, attributes: Mapping[str, Any], may_leave: MayLeave) -> None:
        """Begin a job that subscribes to a list; it has no resource that says what became of it."""
        body = _job("profile-subscription-bulk-create-job", attributes, list_id)
        self._write("subscribe", "POST", "/api/profile-subscription-bulk-create-jobs", body, NoBody, may_leave)

    def unsubscribe(self, profiles: Sequence[Mapping[str, Any]]) -> None:
        """Begin a job that unsubscribes from everything."""
        body = _job("profile-subscription-bulk-delete-job", {"profiles": {"data": list(profiles)}})
        self._write("unsubscribe", "POST", "/api/profile-subscription-bulk-delete-jobs", body, NoBody, None)

    def add_to_list(self, list_id: str, ids: Sequence[str], may_leave: MayLeave) -> None:
        """Put profiles on a list, whatever they consented to."""
        self._move("add_to_list", "POST", list_id, ids, may_leave)

    def remove_from_list(self, list_id: str, ids: Sequence[str]) -> None:
        """Take profiles off a list; their consent stays."""
        self._move("remove_from_list", "DELETE", list_id, ids, None)

    def _move(self, call: str, method: str, list_id: str, ids: Sequence[str], may_leave: MayLeave | None) -> None:
        path = f"/api/lists/{quote(list_id, safe='')}/relationships/profiles"
        self._write(call, method, path, {"data": [{"type": "profile", "id": one} for one in ids]}, NoBody, may_leave)


def _job(type_: str, attributes: Mapping[str, Any], list_id: str | None = None) -> dict[str, Any]:
    data: dict[str, Any] = {"type": type_, "attributes": attributes}
    if list_id is not None:
        data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return {"data": data}


def _in_query(text: str) -> str:
    return quote(text, safe="@,()")  # short: how long a URL may be is not known


def _cursor(link: object) -> str:
    """Return the cursor in a link to the next page; `""` where there is none."""
    try:
        found = parse_qs(urlsplit(link).query).get("page[cursor]") if isinstance(link, str) else None
    except ValueError:
        return ""
    return found[0] if found else ""


def _bad(call: str, what: str) -> BadAnswer:
    return BadAnswer(what, system=KLAVIYO, call=call)
