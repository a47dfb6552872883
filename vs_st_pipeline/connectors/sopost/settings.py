"""The settings of SoPost in a merchant's entry, section `sopost` (consumers.md 2, routes.md R9, R10, R36)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import model_validator

from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    Duration,
    Form,
    ListOf,
    OrNull,
    Rate,
    Reading,
    SecretValue,
    Text,
    read_name_or_secret,
    url_fault,
)
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import FORMS, Secret
from vs_st_pipeline.platform.settings.yaml_source import Node

USUAL_URL: Final = "https://api.sopost.example"
KEYS_OF: Final[dict[str, tuple[str, ...]]] = {
    "bearer": ("token",),
    "header": ("token", "header"),
    "basic": ("user", "password"),
    "client_credentials": ("client_id", "client_secret", "token_url"),
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PATH = re.compile(r"[^\s.]+(\.[^\s.]+)*")
_A_NAME: Final = f"a name, or {FORMS}"


def _matching(pattern: re.Pattern[str], what: str) -> Form:
    def read(node: Node, reading: Reading) -> str:
        text = node.text()
        if not pattern.fullmatch(text):
            raise node.problem(f"expected {what}")
        return text

    return Form(read, what)


def _names(node: Node, reading: Reading) -> tuple[Node, ...]:
    items = tuple(node.items())
    if not items:
        raise node.problem("must name at least one, such as [APPROVED]; with none nobody could be subscribed")
    return items


def _token_url(node: Node, reading: Reading) -> str:
    url = node.text()
    if (fault := url_fault(url)) is not None:
        raise node.problem(fault)
    return url


Uuid = Annotated[str, _matching(_UUID, "a UUID such as 00000000-0000-4000-9000-000000000001")]
HeaderName = Annotated[str, _matching(_HEADER, "the name of a header, such as X-Api-Key")]
DottedPath = Annotated[str, _matching(_PATH, "the path of a time in the order, such as created_at or meta.created_at")]
NameOrReference = Annotated[Secret, Form(read_name_or_secret, _A_NAME)]
TokenUrl = Annotated[str, Form(_token_url, "a URL such as https://auth.sopost.example/oauth/token")]
SomeNames = Annotated[tuple[Text, ...], Form(_names, "a list of at least one name, such as [APPROVED]")]


def _require_once(what: str, lists: Sequence[Sequence[str]]) -> None:
    names = [name for one in lists for name in {loosely(name) for name in one}]
    if len(set(names)) < len(names):
        raise ValueError(f"the same {what} stands in two lists, so it is not clear what it means")


class StatusNames(SettingsModel):
    """What an order's statuses mean, as SoPost writes them; any other is a later stage of an order.

    Attributes:
        approved: the consents of such an order count. pending: it is read again. rejected: nothing of it counts.
    """

    approved: SomeNames = ("APPROVED",)
    pending: ListOf[Text] = ("PENDING",)
    rejected: ListOf[Text] = ("REJECTED",)

    @model_validator(mode="after")
    def _once_each(self) -> StatusNames:
        _require_once("status", [self.approved, self.pending, self.rejected])
        return self


class SoPostSettings(SettingsModel):
    """How to speak to SoPost for one merchant, and what its words mean.

    Attributes:
        base_url: without a slash at the end; SoPost gives it with the keys.
        auth: how the key is sent; which of the keys below must be there follows from it (`KEYS_OF`).
        header: the name of the header that has the token.
        token_url: answers a form POST with an `access_token`.
        entity_type, entity_ids: what the webhook is registered for; one id where it is an organisation.
        activities: only orders of these; empty: all.
        consent_given, consent_refused: statuses of a consent that mean yes and no; any other means nothing.
        consent_without_status: what a consent without a status means: nothing (`hold`), or yes (`given`).
        order_time: dotted path of an ISO time in the order; None: SoPost sends none.
        webhook_delay: how late a webhook comes at worst.
        quiet_after: no event for so long is told; zero: never.
        token: with `auth: bearer` or `header`. user, password: with `auth: basic`.
        client_id, client_secret: with `auth: client_credentials`.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
    """

    base_url: Annotated[str, BaseUrl("/orders", usual=USUAL_URL)]
    auth: Choice[Literal["bearer", "header", "basic", "client_credentials"]] = "bearer"
    token: OrNull[SecretValue] = None
    header: OrNull[HeaderName] = None
    user: OrNull[NameOrReference] = None
    password: OrNull[SecretValue] = None
    client_id: OrNull[NameOrReference] = None
    client_secret: OrNull[SecretValue] = None
    token_url: OrNull[TokenUrl] = None
    requests_per_second: Rate = 5.0
    entity_type: Choice[Literal["Organisation", "Campaign"]] = "Organisation"
    entity_ids: ListOf[Uuid] = ()
    activities: ListOf[Text] = ()
    statuses: StatusNames = StatusNames()
    consent_given: SomeNames = ("APPROVED",)
    consent_refused: ListOf[Text] = ("REJECTED", "DECLINED", "WITHDRAWN", "REVOKED")
    consent_without_status: Choice[Literal["hold", "given"]] = "hold"
    order_time: OrNull[DottedPath] = None
    webhook_delay: Duration = timedelta(hours=24)
    quiet_after: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _whole(self) -> SoPostSettings:
        for key in KEYS_OF[self.auth]:
            if getattr(self, key) is None:
                raise ValueError(f"{key} is missing; auth: {self.auth} needs {' and '.join(KEYS_OF[self.auth])}")
        if self.entity_type == "Organisation" and len(self.entity_ids) > 1:
            raise ValueError("entity_ids has several ids, and there is one for an Organisation; for several campaigns "
                             "write entity_type: Campaign")  # fmt: skip
        if len({one.lower() for one in self.entity_ids}) < len(self.entity_ids):
            raise ValueError("entity_ids has an id twice")
        _require_once("status of a consent", [self.consent_given, self.consent_refused])
        return self

    @property
    def secret(self) -> Secret:
        """Return the key that names the account to SoPost."""
        found = {"basic": self.password, "client_credentials": self.client_secret}.get(self.auth, self.token)
        assert found is not None, "the model lets none be without"
        return found

    def wants_activity(self, activity_id: str | None) -> bool:
        """Say whether orders of an activity are wanted."""
        return not self.activities or loosely(activity_id or "") in {loosely(one) for one in self.activities}

    def doubts(self) -> Sequence[str]:
        return tuple(self._doubts())

    def _doubts(self) -> Iterator[str]:
        for auth, keys in KEYS_OF.items():
            for key in keys:
                if getattr(self, key) is not None and key not in KEYS_OF[self.auth] and auth != self.auth:
                    yield f"sopost.{key} is not used with auth: {self.auth}"
        if not self.entity_ids:
            yield "sopost.entity_ids is empty, so `vs-st webhooks register` cannot tell SoPost where to call"
