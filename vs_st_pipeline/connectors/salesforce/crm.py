"""Speaks the words of `domain.crm` for one merchant's org at Salesforce."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.salesforce.campaigns import read_targets
from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.fields import OPTED_OUT, SHORTEST_KEY, crm_field, described
from vs_st_pipeline.connectors.salesforce.finding import Finder, Memory
from vs_st_pipeline.connectors.salesforce.names import SALESFORCE
from vs_st_pipeline.connectors.salesforce.settings import SalesforceSettings, folded
from vs_st_pipeline.connectors.salesforce.writing import Writer
from vs_st_pipeline.domain.crm import Crm, Item, Result, Seen, Setup, Sought, Step, Target
from vs_st_pipeline.domain.errors import BadSettings, Internal, Refused
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.settings.merchants import Merchant

CHUNK: Final = 400
"""People who are looked at together: few enough that all of them are written within a minute of the look."""

STEPS: Final = (Step.WITHDRAW, Step.FIELDS, Step.CONSENT)
_NO_USAGE = "Salesforce does not say how much of the day's requests is used, so daily_share cannot be kept"
_NO_CONTACTS = "the org does not serve this version, or hides contacts from the user that the app runs as"
_SAME_STATUS = "it is member_status too, so that everybody who is added would count as withdrawn; write another one"
_RECORD = "without_consent: record stores people who gave no consent; others at Salesforce can send mail to them"


class SalesforceCrm:
    """One merchant's org; it remembers what its requests have shown until the sync ends."""

    name = SALESFORCE
    chunk = CHUNK
    steps = STEPS
    shows_within = timedelta(0)  # an answer says of each item what became of it

    def __init__(self, client: SalesforceClient) -> None:
        """Prepare; nothing is asked yet."""
        self._client = client
        self._parts: tuple[Finder, Writer] | None = None

    @property
    def records_all(self) -> bool:
        """Say whether people without a consent are written too."""
        return self._client.settings.without_consent == "record"

    def account(self) -> str | None:
        """Return the org's id, as the log-in tells it; None where it does not. Raises as the client does."""
        self._client.be_logged_in()
        return self._client.org

    def begin(self, targets: Collection[Target]) -> Setup:
        """Read fields and campaigns.

        Raises:
            BadSettings: `external_id_field` cannot hold our key, opt-outs are hidden from us, or a status means two
                things.
        """
        settings = self._client.settings
        if settings.withdrawn_status and folded(settings.withdrawn_status) == folded(settings.member_status or ""):
            raise BadSettings(f"salesforce.withdrawn_status: {_SAME_STATUS}", system=SALESFORCE)
        shown = self._describe()
        if (fault := _key_fault(shown.get(settings.external_id_field), settings)) is not None:
            raise BadSettings(f"salesforce.external_id_field: {fault}", system=SALESFORCE)
        if OPTED_OUT not in shown:
            raise BadSettings(
                f"{OPTED_OUT} of contacts is hidden from the user that the app runs as, so nobody could be spared who "
                "opted out; let that user read the field",
                system=SALESFORCE,
            )
        fields = {name: crm_field(row, settings.external_id_field) for name, row in shown.items()}
        memory = Memory()
        self._parts = Finder(self._client, fields, memory), Writer(self._client, fields, memory)
        infos = read_targets(self._client, targets)
        doubts = [_NO_USAGE] * (not self._client.tells_usage) + [_RECORD] * self.records_all
        return Setup(fields, infos, doubts)

    def _describe(self) -> Mapping[str, Mapping[str, Any]]:
        said, is_there = None, True
        try:
            said = self._client.describe("Contact")
        except Refused as error:
            if error.http_status not in NOT_THERE:
                raise
            is_there = False
        if not is_there:
            raise BadSettings(f"salesforce.api_version: {_NO_CONTACTS}", system=SALESFORCE)
        return described("Contact", said)

    def look(
        self, people: Sequence[Sought], targets: Collection[Target], fields: Collection[str]
    ) -> Mapping[str, Seen]:
        """Read these people's contacts and how they stand to these campaigns (`domain.crm`)."""
        return self._begun()[0].look(people, targets, fields)

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests (`domain.crm`)."""
        return self._begun()[1].requests(step, items)

    def send(self, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        """Send one request (`domain.crm`)."""
        return self._begun()[1].send(step, items)

    def _begun(self) -> tuple[Finder, Writer]:
        if self._parts is None:
            raise Internal("the org's fields were not read first", system=SALESFORCE)
        return self._parts


def _key_fault(row: Mapping[str, object] | None, settings: SalesforceSettings) -> str | None:
    """Return why a field of contacts cannot hold our key, None where it can."""
    name = settings.external_id_field
    make = f"make {name} a text of {SHORTEST_KEY} characters or more, external id and unique"
    if row is None:
        return f"contacts have no field {name} that the user of the app may see; {make}"
    if row.get("externalId") is not True:
        return f"{name} is no external id; {make}"
    if row.get("unique") is not True:
        return f"{name} is not unique, so that a person could be there twice; {make}"
    length = row.get("length")
    if row.get("type") != "string" or (isinstance(length, int) and length < SHORTEST_KEY):
        return f"{name} is no text of {SHORTEST_KEY} characters; {make}"
    if not (row.get("createable") and row.get("updateable")):
        return f"the user of the app may not write {name}; let that user edit the field"
    return None


def connect_crm(client: SalesforceClient, merchant: Merchant) -> Crm:
    """Return a merchant's org as a `Crm`; nothing is asked yet."""
    return SalesforceCrm(client)
