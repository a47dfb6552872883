"""The settings of Salesforce in a merchant's entry, section `salesforce`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    DefaultOrFile,
    Form,
    OrNull,
    OwnFile,
    Rate,
    Reading,
    SecretValue,
    Text,
    Whole,
)
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.yaml_source import Node

USUAL_URL = "https://glow.my.salesforce.com"
_VERSION = re.compile(r"[1-9][0-9]{1,2}\.0")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


def _version(node: Node, reading: Reading) -> str:
    version = node.written("a version")
    if not _VERSION.fullmatch(version):
        raise node.problem('expected a version of the API, such as "67.0"')
    return version


def _field(node: Node, reading: Reading) -> str:
    name = node.text()
    if not _FIELD.fullmatch(name):  # it stands in queries and paths as it is
        raise node.problem("expected the API name of a field of contacts, such as SoPost_Key__c")
    return name


ApiVersion = Annotated[str, Form(_version, "a version of the API, such as 66.0")]
FieldName = Annotated[str, Form(_field, "the API name of a field, such as Order_Key__c")]


class SalesforceSettings(SettingsModel):
    """How to speak to Salesforce for one merchant; by client credentials alone.

    Attributes:
        login_url: the org's My Domain, without a slash at the end; requests go where the log-in says.
        requests_per_second: above 0; shared by all processes that speak with this client id and share a data folder.
        daily_share: percent of the org's requests of a day, ours and others', above which we ask for no more.
        external_id_field: API name of the field of contacts that holds our key: text, external id, unique.
        member_status: of members that we add; None: the campaign's default.
        withdrawn_status: of members who withdrew; None: such members are deleted.
        without_consent: `record` writes people without a consent too, and subscribes them to nothing.
        api_version: stands in every path. client_id, client_secret: of the connected app.
        field_map: which field gets what.
    """

    login_url: Annotated[str, BaseUrl("/services", usual=USUAL_URL)]
    api_version: ApiVersion = "67.0"
    client_id: SecretValue
    client_secret: SecretValue
    requests_per_second: Rate = 5.0
    daily_share: Annotated[int, Whole(1, 100)] = 80
    external_id_field: FieldName = "SoPost_Key__c"
    member_status: OrNull[Text] = None
    withdrawn_status: OrNull[Text] = None
    without_consent: Choice[Literal["skip", "record"]] = "skip"
    field_map: DefaultOrFile = OwnFile()


def folded(status: str) -> str:
    """Return a status as it is compared: picklist values are the same in any case."""
    return " ".join(status.casefold().split())
