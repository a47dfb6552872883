"""Calls SimpleTexting's API v2: one method per call that is used.

Data flow: method call -> HTTP request -> typed answer or exact JSON text.

Facts that shape it: `upsert` and `listsReplacement` default to true, so both are always sent as false; reads
say `contactId` where writes answer `id`; a batch answers before it has done anything; there is no way here to
create, subscribe or unlist a contact, and none to message one.

It is long because every call that is used stands here, beside what counts as an answer to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.domain.codec import BEYOND, JSON, plain_code, read_json, safe_token, try_json
from vs_st_pipeline.domain.errors import BadAnswer, BadRecord
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import MayBeError, RecordKind, id_text, is_error, is_hollow, prove
from vs_st_pipeline.platform.http.client import Answer, Bearer, HttpClient, NoBody, Pace
from vs_st_pipeline.platform.http.tape import ONCE
from vs_st_pipeline.platform.settings.merchants import Merchant

PAGE_SIZE = 500  # documented maximum
BATCH_SIZE = 500  # documented maximum

T = TypeVar("T")


UPDATE, BATCH = "update_contact", "batch_update"  # the calls that write

CONTACT = RecordKind(
    SIMPLETEXTING, "contact", id_keys=("contactId", "id"), always=("contactPhone", "subscriptionStatus")
)


class _Page(MayBeError):
    content: list[msgspec.Raw]
    totalPages: msgspec.Raw = msgspec.Raw()  # noqa: N815 (the vendor's spelling)
    totalElements: msgspec.Raw = msgspec.Raw()  # noqa: N815


class _Id(MayBeError):
    id: Any = None  # documented for every write
    contactId: Any = None  # noqa: N815 (what reads say; a write may say it too)


class CustomFieldItem(msgspec.Struct):
    """One custom field of the account; the API can only list them, people make them in the dashboard."""

    label: str | None = None
    mergeTag: str | None = None  # noqa: N815
    type: str | None = None

    @classmethod
    def read(cls, text: bytes) -> CustomFieldItem:
        """Read what can be read of a field; a row that is not a field gets no label, and so is never used."""
        row = try_json(text)
        names = [row.get(name) for name in cls.__struct_fields__] if isinstance(row, Mapping) else []
        return cls(*(name if isinstance(name, str) else id_text(name) for name in names))


class BatchItem(msgspec.Struct):
    """What became of one contact of a batch."""

    done: bool | None = None
    contactPhone: str | None = None  # noqa: N815
    contactId: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815


class BatchResult(msgspec.Struct):
    """The state of a batch; `results` may be absent, empty or partial while it is in progress."""

    status: str | None = None
    results: list[BatchItem] | None = None


def contact_id_in(body: object) -> str | None:
    """Return the id in a contact's JSON; None where it has none."""
    if not isinstance(body, Mapping):
        return None
    return next((told for key in CONTACT.id_keys if (told := id_text(body.get(key))) is not None), None)


def _phone_text(body: Mapping[str, Any]) -> str:
    return id_text(body.get("contactPhone")) or ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: exact JSON texts, and totals where the answer has a positive whole number.

    A total proves that something is missing, and never that nothing is: it may count the page alone.
    """

    rows: list[bytes]
    total_pages: int | None
    total_elements: int | None


def _page(answer: Answer[_Page]) -> Page:
    found = answer.value
    if found.is_error:
        raise BadAnswer(
            "an error came in place of a list; nothing is taken from it",
            system=SIMPLETEXTING,
            http_status=answer.status,
        )
    return Page([bytes(row) for row in found.content], _count(found.totalPages), _count(found.totalElements))


def _count(raw: msgspec.Raw) -> int | None:
    try:
        value = read_json(bytes(raw)) if bytes(raw) else None
    except ValueError:
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def understood(body: object) -> bool:
    """Say whether all of a contact can be believed: what goes back with a write must not be lost or changed.

    `customFields` of another shape than an object may hold fields that a write would remove, and so may an object whose
    values are all wrapped in something: they would go back wrapped. A number too large for any program could not be
    distinguished from another one. A phone that is none would go back in place of the contact's own, and an e-mail that
    is no text may be any, so that another contact would be given it.
    """
    if not isinstance(body, Mapping):
        return False
    phone, email = body.get("contactPhone"), body.get("email")
    if not (phone is None or isinstance(phone, str) or parse_nanp(id_text(phone))):
        return False
    if not (email is None or isinstance(email, str)):
        return False
    fields = body.get("customFields")
    values = [value for value in fields.values() if value is not None] if isinstance(fields, Mapping) else []
    wrapped = bool(values) and all(isinstance(value, Mapping | list) for value in values)
    return (isinstance(fields, Mapping) or is_hollow(fields)) and not wrapped and not _beyond(body)


def is_whole(body: Mapping[str, Any]) -> bool:
    """Say whether a listed contact is more than an id or an error: without phone and status it says nothing."""
    return not is_error(body) and any(not is_hollow(body.get(key)) for key in CONTACT.always)


def _beyond(value: object) -> bool:
    if isinstance(value, str):  # nearly all of them are
        return False
    if isinstance(value, dict):
        return any(map(_beyond, value.values()))
    return any(map(_beyond, value)) if isinstance(value, list) else value is BEYOND


def error_code(body: Mapping[str, Any]) -> str | None:
    """Return the code in an error's body: errors of older calls say `errorCode`, others `code`."""
    code = safe_token(body.get("errorCode"))
    return code if code and code != "UNKNOWN_ERR" else plain_code(body)


class SimpleTextingClient:
    """Calls the API for one merchant; every method sends one request (and its retries).

    Raises (every method): `TryLater`, `BadKey`, `BadAnswer`; `Refused` for other 4xx of that one request.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.section(SimpleTextingSettings)
        self.http = HttpClient(
            system=SIMPLETEXTING,
            base_url=settings.base_url,
            auth=Bearer(settings.api_token.reveal()),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
            error_code=error_code,
        )
        self.server_time: float | None = None  # SimpleTexting's clock at its last answer (epoch seconds, whole)

    def _note_time(self, answer: Answer[T]) -> Answer[T]:
        self.server_time = answer.server_time or self.server_time
        return answer

    def _id(self, answer: Answer[_Id]) -> str:
        """Return the id that a write names; an answer without one says nothing about the write."""
        told = self._note_time(answer).value
        written = id_text(told.id) or id_text(told.contactId)
        if told.is_error:
            raise BadAnswer("the answer to a write is an error", system=SIMPLETEXTING, http_status=answer.status)
        if not written:
            raise BadAnswer("the answer to a write names no id", system=SIMPLETEXTING, http_status=answer.status)
        return written

    def tenant(self) -> dict[str, Any]:
        """Read `GET /tenant`, the cheapest proof that the token is good (documented)."""
        answer: Answer[Any] = self.http.request("tenant", "GET", "/api/tenant", shape=JSON)
        return answer.value if isinstance(answer.value, dict) else {}

    def list_phones(self) -> Page:
        """Read the first page of `GET /phones`, the account's own numbers (documented)."""
        params = {"page": 0, "size": PAGE_SIZE}
        answer = self.http.request("list_phones", "GET", "/api/phones", shape=_Page, params=params)
        return _page(self._note_time(answer))

    def list_contacts(self, page: int, *, since: str | None = None) -> Page:
        """Read a page of `GET /contacts`, oldest update first; opted-out contacts are in it (seen in client code)."""
        params: dict[str, str | int] = {"page": page, "size": PAGE_SIZE, "direction": "ASC"}
        if since:
            params["since"] = since
        answer = self._note_time(self.http.request("list_contacts", "GET", "/api/contacts", shape=_Page, params=params))
        return _page(answer)

    def contact(self, contact_id: str) -> bytes:
        """Read `GET /contacts/{id}`: the exact JSON text of exactly that contact.

        Raises:
            Refused: with 404 where the contact is gone.
            BadRecord: the answer is another contact, an error, or not enough of a contact to be believed.
        """
        text, body = self._single(contact_id)
        prove(CONTACT, body, contact_id)
        return text

    def contact_by_phone(self, phone: str) -> tuple[str, bytes]:
        """Read `GET /contacts/{phone}` (ten digits): id and exact JSON text of its contact; raises like `contact`."""
        text, body = self._single(phone)
        own = contact_id_in(body)
        prove(CONTACT, body, own or "")
        if own is None or parse_nanp(_phone_text(body)) != parse_nanp(phone):
            raise BadRecord(
                "the answer to a read of one contact has another phone than the one that was asked for",
                system=SIMPLETEXTING,
                call="contact",
            )
        return own, text

    def _single(self, key: str) -> tuple[bytes, Any]:
        with self.http.tape.asking_for(ONCE):
            answer = self.http.request("contact", "GET", f"/api/contacts/{quote(key, safe='')}", shape=msgspec.Raw)
        text = bytes(self._note_time(answer).value)
        body = try_json(text)
        if not understood(body):
            raise BadRecord(
                "the answer to a read of one contact cannot be understood; what is known stands",
                system=SIMPLETEXTING,
                call="contact",
            )
        return text, body

    def list_custom_fields(self, page: int) -> Page:
        """Read one page of `GET /custom-fields`."""
        return self.page_of("list_custom_fields", "/api/custom-fields", page)

    def page_of(self, call: str, path: str, page: int) -> Page:
        """Read one page of a short list."""
        params = {"page": page, "size": PAGE_SIZE}
        return _page(self._note_time(self.http.request(call, "GET", path, shape=_Page, params=params)))

    def update_contact(
        self, contact_id: str, body: Mapping[str, Any], may_leave: Callable[[], bool] | None = None
    ) -> str:
        """Send `PUT /contacts/{id}` with `upsert=false`, which cannot create a contact; return the id it wrote.

        Raises:
            KeptBack: `may_leave`, asked right before each try, said no.
        """
        answer = self.http.request(
            "update_contact",
            "PUT",
            f"/api/contacts/{quote(contact_id, safe='')}",
            shape=_Id,
            params={"upsert": False, "listsReplacement": False},
            json=body,
            may_leave=may_leave,
        )
        return self._id(answer)

    def batch_update(self, updates: Sequence[Mapping[str, Any]], may_leave: Callable[[], bool] | None = None) -> str:
        """Send `POST /contacts-batch/batch-update`; return the task's id. Accepted is not applied.

        Raises:
            KeptBack: as with `update_contact`.
        """
        answer = self.http.request(
            "batch_update",
            "POST",
            "/api/contacts-batch/batch-update",
            shape=_Id,
            json={"listsReplacement": False, "updates": list(updates)},
            may_leave=may_leave,
        )
        return self._id(answer)

    def batch_result(self, task_id: str) -> BatchResult:
        """Read `GET /contacts-batch/batch-update/{task}` (its success status is documented as 201)."""
        path = f"/api/contacts-batch/batch-update/{quote(task_id, safe='')}"
        return self.http.request("batch_result", "GET", path, shape=BatchResult).value

    def delete_contact(self, contact_id: str) -> None:
        """Send `DELETE /contacts/{id}`: only for a contact that our own batch has just made by accident."""
        self.http.request("delete_contact", "DELETE", f"/api/contacts/{quote(contact_id, safe='')}", shape=NoBody)
