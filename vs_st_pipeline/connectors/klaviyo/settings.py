"""The settings of Klaviyo in a merchant's entry, section `klaviyo`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import model_validator

from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    DefaultOrFile,
    OwnFile,
    Rate,
    SecretValue,
    Text,
    Wait,
    Whole,
    collected,
)
from vs_st_pipeline.platform.settings.model import SettingsModel, keys_of
from vs_st_pipeline.platform.settings.yaml_source import Node, SettingsFault

USUAL_URL = "https://a.klaviyo.com"
NOT_HERE = (
    "not here: Klaviyo mails everybody who is not suppressed, so people without consent are never stored there; "
    "leave this line out"
)


class KlaviyoSettings(SettingsModel):
    """How to speak to Klaviyo for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/api`.
        revision: the day of the interface that is spoken, as its header says it.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        batch_wait: how long a job may take to be done, and a subscription to show; above zero.
        write_one_by_one_up_to: more profiles in one sync than this go by bulk jobs; 0 or more.
        api_key: a private key of the account. field_map: which property gets what.
    """

    base_url: Annotated[str, BaseUrl("/api", usual=USUAL_URL)] = USUAL_URL
    revision: Text = "2026-07-15"
    api_key: SecretValue
    requests_per_second: Rate = 2.0
    batch_wait: Wait = timedelta(seconds=120)
    write_one_by_one_up_to: Annotated[int, Whole(0, 1_000_000)] = 20
    field_map: DefaultOrFile = OwnFile()

    @model_validator(mode="before")
    @classmethod
    def _of_node(cls, value: Any) -> Any:
        """Refuse what the other CRMs have (consumers.md 2), with the reason for it."""
        if not isinstance(value, Node):
            return value
        try:
            if (given := value.child("without_consent")) is not None:
                raise given.problem(NOT_HERE)
            return value.mapping(keys_of(cls))
        except SettingsFault as fault:
            raise collected(fault) from None
