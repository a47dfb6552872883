"""Answers a route about people at Klaviyo, in the words that all CRMs speak in (`domain.crm`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.consent import Marketing, marketing_of
from vs_st_pipeline.connectors.klaviyo.finding import Finder, Found
from vs_st_pipeline.connectors.klaviyo.names import KLAVIYO
from vs_st_pipeline.connectors.klaviyo.profile import Fields, Profile
from vs_st_pipeline.connectors.klaviyo.settings import KlaviyoSettings
from vs_st_pipeline.connectors.klaviyo.writing import Writer
from vs_st_pipeline.domain.crm import (
    Crm,
    CrmRecord,
    Item,
    Result,
    Seen,
    Setup,
    Sought,
    Standing,
    State,
    Step,
    Target,
    TargetInfo,
)
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused
from vs_st_pipeline.platform.settings.merchants import Merchant

STEPS: Final = (Step.WITHDRAW, Step.UNLIST, Step.CONSENT, Step.LISTS, Step.FIELDS)
"""Nobody is unsubscribed after they were subscribed; whoever is new is subscribed before the fields are written."""

_CHUNK: Final = 1000
_LOOK_SECONDS: Final = 20.0  # that looking at a chunk may take, so that its subscriptions leave within the minute
_SINGLE, _DOUBLE = "single_opt_in", "double_opt_in"


class KlaviyoCrm:
    """One merchant's account at Klaviyo, during one sync."""

    name = KLAVIYO
    records_all = False
    steps = STEPS

    def __init__(self, client: KlaviyoClient, merchant: Merchant) -> None:
        settings = merchant.section(KlaviyoSettings)
        self._client = client
        self._rate = settings.requests_per_second
        self.shows_within: timedelta = settings.batch_wait
        self._finder = Finder(client)
        self._confirms: set[str] = set()
        self._looked: dict[str, float] = {}
        self._renamed: dict[str, str] = {}  # address of the profile by which somebody stands, by the person's key
        self._writer = Writer(
            client,
            one_by_one=settings.write_one_by_one_up_to,
            job_wait=settings.batch_wait.total_seconds(),
            looked_at=self._looked.get,
            confirms=self._confirms,
            renamed=self._renamed,
        )

    @property
    def chunk(self) -> int:
        """Return how many people are looked at together: few at first, and where a filter takes few addresses."""
        known = self._finder.filter
        in_time = int(known.most * self._rate * _LOOK_SECONDS / 2)  # as many requests again may be about lists
        return max(1, min(_CHUNK if known.is_proven else known.most, in_time))

    def account(self) -> str | None:
        """Return the account's id; None where the key may not ask, or the answer names none."""
        try:
            return str(self._client.account()["id"])
        except (Forbidden, Refused, BadAnswer):
            return None

    def begin(self, targets: Collection[Target]) -> Setup:
        """Read the lists. A profile takes any field, so none is read."""
        doubts: list[str] = []
        infos = {target: self._target(target, doubts) for target in sorted(set(targets), key=lambda one: one.id)}
        return Setup(Fields(), infos, doubts)

    def _target(self, target: Target, doubts: list[str]) -> TargetInfo:
        try:
            said = self._client.list_(target.id)
        except Refused as error:
            why = "there is no such list" if error.http_status == 404 else f"it is refused ({error.http_status})"
            return TargetInfo(missing=why)
        way, name = str(said.get("opt_in_process") or "").strip().lower(), said.get("name")
        confirms = way != _SINGLE
        (self._confirms.add if confirms else self._confirms.discard)(target.id)
        if way not in (_SINGLE, _DOUBLE):
            doubts.append(f"list {target.id} does not say whether people must confirm; it is taken that they must")
        return TargetInfo(confirms=confirms, name=name if isinstance(name, str) else "")

    def look(
        self, people: Sequence[Sought], targets: Collection[Target], fields: Collection[str]
    ) -> Mapping[str, Seen]:
        """Find these people with their consent, and the lists of those who are subscribed; see `domain.crm.Crm`."""
        for person in people:
            self._looked.pop(person.key, None)
            self._renamed.pop(person.key, None)
        found = self._finder.find(people)
        states: dict[str, Marketing] = {}
        for key, one in list(found.items()):
            state = marketing_of(one.stands_by.attributes) if one.stands_by else None
            if one.renamed is not None:
                self._renamed[key] = one.renamed.email
            if state is not None:
                states[key] = state
            elif one.stands_by is not None:
                del found[key]  # a profile that does not say how it stands to mail says nothing
        members = {target.id: self._members(target.id, found, states) for target in targets}
        seen: dict[str, Seen] = {}
        for key, one in found.items():
            standings = {
                target: standing
                for target in targets
                if (standing := self._standing(target.id, one.stands_by, states.get(key), members)) is not None
            }
            if len(standings) == len(set(targets)):
                seen[key] = Seen(_record(one.profile, fields), one.held, standings, one.at, one.gone)
        self._looked.update({key: one.at for key, one in seen.items()})
        return seen

    def _members(self, list_id: str, found: Mapping[str, Found], states: Mapping[str, Marketing]) -> Mapping[str, bool]:
        """Ask who of those is on a list for whom that decides anything."""
        asked = [found[key].stands_by for key, state in states.items() if state.may_be_on(list_id)]
        return self._finder.members(list_id, [one for one in asked if one is not None])

    def _standing(
        self, list_id: str, profile: Profile | None, state: Marketing | None, members: Mapping[str, Mapping[str, bool]]
    ) -> Standing | None:
        """Return how somebody stands to a list; None where no answer said whether they are on it."""
        if profile is None or state is None:
            return Standing(State.NEVER)
        is_member = members[list_id].get(profile.id)
        if is_member is None and state.may_be_on(list_id):
            return None
        return state.standing(list_id, bool(is_member))

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests; see `domain.crm.Crm`."""
        return self._writer.requests(step, items)

    def send(self, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        """Send one request; see `domain.crm.Crm`."""
        return self._writer.send(step, items)


def _record(profile: Profile | None, fields: Collection[str]) -> CrmRecord | None:
    if profile is None:
        return None
    return CrmRecord(profile.id, profile.email or None, profile.values(fields), profile.body)


def connect_crm(client: KlaviyoClient, merchant: Merchant) -> Crm:
    """Return a merchant's account as a CRM, for one sync; nothing is sent yet."""
    return KlaviyoCrm(client, merchant)
