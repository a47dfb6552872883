"""The settings of webhooks in a merchant's entry: whether hints are taken, how many, what a system's calls prove.

`webhooks` is the merchant's own key, whatever its routes; under it each system that can call us has a part (R36, R10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import model_validator

from vs_st_pipeline.platform.settings.forms import Choice, Flag, Form, OrNull, Reading, Text, Whole, read_duration
from vs_st_pipeline.platform.settings.model import SettingsModel, validate
from vs_st_pipeline.platform.settings.secrets import FORMS, read_reference
from vs_st_pipeline.platform.settings.yaml_source import Node


def _moment(node: Node, reading: Reading) -> datetime:
    expected = "an ISO time with its offset, such as 2026-11-29T12:00:00Z"
    try:
        found = datetime.fromisoformat(node.written(expected))
    except ValueError:
        raise node.problem(f"expected {expected}") from None
    if found.tzinfo is None:
        raise node.problem(f"expected {expected}")
    return found


def _share(node: Node, reading: Reading) -> float:
    share = node.number()
    if not 0 < share <= 1:
        raise node.problem("must be above 0 and at most 1, such as 0.5")
    return share


def _look(node: Node, reading: Reading) -> timedelta | None:
    if node.written("never, or a duration such as 2m") == "never":
        return None
    every = read_duration(node)
    if every < timedelta(seconds=1):
        raise node.problem("must be 1s or more, or never")
    return every


def _reference(node: Node, reading: Reading) -> str:
    """Return a reference that means the same wherever it is read: a file's path is relative to that of its file."""
    scheme, _, path = read_reference(node).partition(":")
    return f"{scheme}:{reading.folder_of(node) / path if scheme == 'file' else path}"


def _prefix(node: Node, reading: Reading) -> str:
    return "" if node.scalar() == "" else node.text()


Moment = Annotated[datetime, Form(_moment, "an ISO time with its offset, such as 2026-11-29T12:00:00Z")]
Reference = Annotated[str, Form(_reference, FORMS)]
"""A reference to a secret that is read when it is needed: who receives calls may read these and no vendor's key."""


class SignatureSettings(SettingsModel):
    """How a system signs its calls: HMAC-SHA256 of the raw body, or of `timestamp + "." + body` (R10).

    Attributes:
        header: the header that has the signature. secret: the key of it. encoding: how it is written.
        prefix: what stands before it in the header.
        timestamp_header: the header of the time that is signed too; null: the body alone is.
    """

    header: Text
    secret: Reference
    encoding: Choice[Literal["hex", "base64"]] = "hex"
    prefix: Annotated[str, Form(_prefix, 'a text such as sha256=, or ""')] = ""
    timestamp_header: OrNull[Text] = None


class SystemWebhooks(SettingsModel):
    """What one system's calls prove themselves by.

    Attributes:
        generation: of the token in the URL. previous_until: until then the one before is taken too.
        header, header_value: a header that must have exactly this value.
        signature: how its calls are signed.
    """

    generation: Annotated[int, Whole(1, 1_000_000)] = 1
    previous_until: OrNull[Moment] = None
    header: OrNull[Text] = None
    header_value: OrNull[Reference] = None
    signature: OrNull[SignatureSettings] = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> SystemWebhooks:
        for there, missing in (("header", "header_value"), ("header_value", "header")):
            if getattr(self, there) is not None and getattr(self, missing) is None:
                raise ValueError(f"{missing} is missing beside {there}: no call would prove anything; write both")
        return self


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """A merchant's webhooks.

    Attributes:
        enabled: if false, none is registered and none is stored (H5), and there is no opt-in look.
        opt_in_look: how often new contacts are asked for; None: never.
        share: of a merchant's requests a second, at each system, that hints may use.
        systems: by name; one that the entry does not name has the defaults (`of`).
    """

    enabled: bool = True
    opt_in_look: timedelta | None = timedelta(minutes=2)
    share: float = 0.5
    systems: Mapping[str, SystemWebhooks] = field(default_factory=dict)

    def of(self, system: str) -> SystemWebhooks:
        """Return the part of a system."""
        return self.systems.get(system) or SystemWebhooks()


class WebhookKeys(SettingsModel):
    """The keys of `webhooks` beside those of each system.

    Attributes:
        enabled: if false, none is registered and none is stored, and there is no opt-in look.
        opt_in_look: how often `vs-st work` asks for new contacts.
        share: of a merchant's requests a second, at each system, that hints may use.
    """

    enabled: Flag = True
    opt_in_look: Annotated[timedelta | None, Form(_look, "never, or a duration such as 2m")] = timedelta(minutes=2)
    share: Annotated[float, Form(_share, "a number above 0, up to 1")] = 0.5


def read_webhooks(node: Node, reading: Reading) -> WebhookSettings:
    """Read `webhooks` of an entry or of `defaults`.

    Raises:
        SettingsFault: an unknown key or system, or a value in another form.
    """
    parts = node.mapping((*WebhookKeys.model_fields, *reading.hook_systems))
    common = validate(WebhookKeys, {key: parts[key] for key in WebhookKeys.model_fields if key in parts}, node, reading)
    systems = {
        name: validate(SystemWebhooks, part, part, reading)
        for name, part in parts.items()
        if name in reading.hook_systems
    }
    return WebhookSettings(common.enabled, common.opt_in_look, common.share, systems)


Webhooks = Annotated[WebhookSettings, Form(read_webhooks, "a mapping (lines of `key: value`)")]
