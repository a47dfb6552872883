"""SimpleTexting's API v2: one method per call that is used.

Facts that shape it: `upsert` and `listsReplacement` default to true, so both are always sent as false; reads
say `contactId` where writes answer `id`; a batch answers before it has done anything; there is no way here to
create, subscribe or unlist a contact, and none to message one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from vs_st_pipeline.errors import SIMPLETEXTING, BadAnswer
from vs_st_pipeline.http_client import Answer, Bearer, HttpClient, NoBody, Pace
from vs_st_pipeline.merchants import Merchant
from vs_st_pipeline.wire_forms import JSON

PAGE_SIZE = 500  # documented maximum
BATCH_SIZE = 500  # documented maximum

T = TypeVar("T")


class _Page(msgspec.Struct):
    content: list[msgspec.Raw]
    totalPages: int | None = None  # noqa: N815 (the vendor's spelling)
    totalElements: int | None = None  # noqa: N815


class _Id(msgspec.Struct):
    id: str | None = None  # documented for every write
    contactId: str | None = None  # noqa: N815 (what reads say; some write may as well)


class CustomFieldItem(msgspec.Struct):
    """One custom field of the account; the API can only list them, people make them in the dashboard."""

    label: str | None = None
    mergeTag: str | None = None  # noqa: N815
    type: str | None = None


class _FieldPage(msgspec.Struct):
    content: list[CustomFieldItem]
    totalPages: int | None = None  # noqa: N815
    totalElements: int | None = None  # noqa: N815


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


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of contacts: exact JSON texts, and totals where told."""

    contacts: list[bytes]
    total_pages: int | None
    total_elements: int | None


class SimpleTextingClient:
    """Speaks for one merchant; every method sends one request (and its retries).

    Raises (every method): `TryLater`, `BadKey`, `BadAnswer`; `Refused` for other 4xx of that one request.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.simpletexting
        self.http = HttpClient(
            system=SIMPLETEXTING,
            base_url=settings.base_url,
            auth=Bearer(settings.api_token.reveal()),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
        )
        self.server_time: float | None = None  # SimpleTexting's clock at its last answer (epoch seconds, whole)

    def _heard(self, answer: Answer[T]) -> Answer[T]:
        self.server_time = answer.server_time or self.server_time
        return answer

    def _id(self, answer: Answer[_Id]) -> str:
        """The id that a write names; an answer without one says nothing about the write."""
        written = self._heard(answer).value.id or answer.value.contactId
        if not written:
            raise BadAnswer("the answer to a write names no id", system=SIMPLETEXTING, http_status=answer.status)
        return written

    def tenant(self) -> dict[str, Any]:
        """`GET /tenant`, the cheapest proof that the token is good (documented)."""
        answer: Answer[Any] = self.http.request("tenant", "GET", "/api/tenant", shape=JSON)
        return answer.value if isinstance(answer.value, dict) else {}

    def list_contacts(self, page: int, *, since: str | None = None) -> ContactPage:
        """`GET /contacts`, oldest update first; opted-out contacts are in it (seen in client code)."""
        params: dict[str, str | int] = {"page": page, "size": PAGE_SIZE, "direction": "ASC"}
        if since:
            params["since"] = since
        answer = self._heard(self.http.request("list_contacts", "GET", "/api/contacts", shape=_Page, params=params))
        found = answer.value
        return ContactPage([bytes(item) for item in found.content], found.totalPages, found.totalElements)

    def contact(self, contact_id: str) -> bytes:
        """`GET /contacts/{id or phone}`: exact JSON text; `Refused` with 404 where it is gone."""
        answer = self.http.request("contact", "GET", f"/api/contacts/{quote(contact_id, safe='')}", shape=msgspec.Raw)
        return bytes(self._heard(answer).value)

    def list_custom_fields(self, page: int) -> tuple[list[CustomFieldItem], int | None]:
        """`GET /custom-fields`: one page and the number of pages if told."""
        answer = self.http.request(
            "list_custom_fields",
            "GET",
            "/api/custom-fields",
            shape=_FieldPage,
            params={"page": page, "size": PAGE_SIZE},
        )
        return answer.value.content, answer.value.totalPages

    def update_contact(self, contact_id: str, body: Mapping[str, Any]) -> str:
        """`PUT /contacts/{id}` with `upsert=false`: can change a contact, cannot make one; the id that was written."""
        answer = self.http.request(
            "update_contact",
            "PUT",
            f"/api/contacts/{quote(contact_id, safe='')}",
            shape=_Id,
            params={"upsert": False, "listsReplacement": False},
            json=body,
        )
        return self._id(answer)

    def batch_update(self, updates: Sequence[Mapping[str, Any]]) -> str:
        """`POST /contacts-batch/batch-update`: accepted is not applied; the id is a task's."""
        answer = self.http.request(
            "batch_update",
            "POST",
            "/api/contacts-batch/batch-update",
            shape=_Id,
            json={"listsReplacement": False, "updates": list(updates)},
        )
        return self._id(answer)

    def batch_result(self, task_id: str) -> BatchResult:
        """`GET /contacts-batch/batch-update/{task}` (its success status is documented as 201)."""
        path = f"/api/contacts-batch/batch-update/{quote(task_id, safe='')}"
        return self.http.request("batch_result", "GET", path, shape=BatchResult).value

    def delete_contact(self, contact_id: str) -> None:
        """`DELETE /contacts/{id}`: only for a contact that our own batch has just made by accident."""
        self.http.request("delete_contact", "DELETE", f"/api/contacts/{quote(contact_id, safe='')}", shape=NoBody)
