"""Decides what one CRM may be told of one person, and to what it subscribes whom (consumers.md 6.2, 7.3-7.14).

Data flow: Consumer, what the CRM says of the person (`Seen`), what was done before (`Act`) -> Decision.

Pure: no clock, no file, no network. Nobody is subscribed but by a consent that stands, was given in the last read of
its order, is not spent, and is allowed by a state that was just read. In doubt nothing is done.

It is long because whether somebody may be subscribed is one decision, and has to be read as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from vs_st_pipeline.domain.crm import DELETED_THERE, Seen, Standing, State, Target, TargetInfo
from vs_st_pipeline.domain.plan import WAITING_RETRY
from vs_st_pipeline.routes.consumers.consumers import Consumer, Offer, spent_as
from vs_st_pipeline.routes.consumers.words import (
    CONSENT_TIME_UNKNOWN,
    HELD,
    NOT_THERE,
    REHEARSAL,
    REMOVED_THERE,
    SUPPRESSED_THERE,
    UNSUBSCRIBED_THERE,
    WITHDRAWN,
)

NO_TARGET, NOT_APPLIED, KEPT_UNSUBSCRIBED = "no_target", "not_applied", "kept_unsubscribed"
FINAL_CODES: Final = frozenset({NOT_APPLIED, KEPT_UNSUBSCRIBED})  # the consent is spent, and nothing is sent again

NEWER_BY: Final = timedelta(minutes=5)
SENT_AGAIN_AFTER: Final = timedelta(hours=1)  # where a CRM shows only later what it has taken
MOST_TRIES: Final = 3


class Action(StrEnum):
    """What is done about one consent at its target; the words of the evidence."""

    SUBSCRIBE = "subscribe"
    ADD_TO_LIST = "add_to_list"  # only a list was missing
    UNSUBSCRIBE = "unsubscribe"
    ALREADY = "already"  # nothing: the person is there


class Outcome(StrEnum):
    """What became of it."""

    UNKNOWN = "unknown"  # it may be out, and no answer says
    ACCEPTED = "accepted"
    AWAITING = "awaiting_confirmation"
    REJECTED = "rejected"
    UNDONE = "undone"  # it had overridden an opt-out that the look had not shown
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True)
class Act:
    """One row of evidence, as far as it decides what may follow.

    Attributes:
        lists: that were to be added (or removed) besides; lists_open: that is still to be done.
        from_target: with `UNSUBSCRIBE`, more than list memberships was undone. wholly: as in `Subscription`.
        state_before: as it was read before the send. contact_id: the record's.
        sent_at: UTC without zone. tries: which try it was.
    """

    evidence_id: str
    order_id: str
    consent_id: str
    data_handler: str
    target: str
    action: Action
    outcome: Outcome
    lists: tuple[str, ...]
    lists_open: bool
    state_before: str
    contact_id: str | None
    sent_at: datetime
    tries: int = 1
    code: str | None = None
    from_target: bool = True
    wholly: bool = False

    @property
    def spent_as(self) -> tuple[str, str, str]:
        """Return what names its consent (`Offer.spent_as`)."""
        return spent_as(self.order_id, self.consent_id, self.data_handler)

    @property
    def is_ours(self) -> bool:
        """Say whether the person stands at the target by our doing, as far as this row knows."""
        return self.action in (Action.SUBSCRIBE, Action.ADD_TO_LIST) and self.outcome in (
            *(Outcome.ACCEPTED, Outcome.AWAITING, Outcome.UNDONE),
        )

    @property
    def spends(self) -> bool:
        """Say whether its consent subscribes nobody any more because of it."""
        if self.action is Action.UNSUBSCRIBE:
            return False
        done = (Outcome.ACCEPTED, Outcome.AWAITING, Outcome.UNDONE)
        return self.outcome in done or (self.outcome is Outcome.REJECTED and self.code in FINAL_CODES)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say.

    Attributes:
        records_all: people without consent are written too. only: addresses of a rehearsal; None: it is none.
        shows_late: what the CRM has taken shows only later.
        oldest: orders first seen before subscribe nobody, since what was done because of them is not kept any more.
    """

    records_all: bool = False
    resubscribe: bool = True
    unsubscribe_withdrawn: bool = True
    only: frozenset[str] | None = None
    shows_late: bool = False
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is done about one target.

    Attributes:
        offer: the consent that it rests on. also: further ones, spent with it.
        lists: with `ADD_TO_LIST` and `UNSUBSCRIBE` these alone; with `SUBSCRIBE` those to be added besides.
        from_target: with `UNSUBSCRIBE`, the subscription itself is undone, and not a list membership alone.
        wholly: with `UNSUBSCRIBE`, nothing of ours stands there any more, and it was we who made the person subscribed.
        contact_id: with `UNSUBSCRIBE`, of the record as the evidence names it.
    """

    action: Action
    target: Target
    offer: Offer
    state: State
    also: tuple[Offer, ...] = ()
    lists: tuple[str, ...] = ()
    confirms: bool = False
    from_target: bool = False
    wholly: bool = False
    tries: int = 1
    contact_id: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a person's record at the CRM.

    Attributes:
        deleted_at: when its loss was noticed. waits: targets whose refusal waits for another try, and what was refused.
    """

    record_id: str | None = None
    deleted_at: datetime | None = None
    waits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be done of one person at one CRM.

    Attributes:
        held: why nothing of the person is written; held_consent: the consent that this is about.
        fields: fields may be written. creates: a record may be made.
        without_consent: no consent with a target here stands.
        missing: targets that are not there, each with the consent that waits for it.
        unsettled: something may be out whose outcome is not known yet: nothing else is sent for its target.
        waits: something that was refused waits for its next try.
        wishes: targets with what is asked of them (`asked_as`), also where that waits.
    """

    held: str | None
    fields: bool
    creates: bool
    without_consent: bool
    held_consent: str | None = None
    noted: frozenset[str] = frozenset()
    subscriptions: tuple[Subscription, ...] = ()
    missing: tuple[tuple[Target, Offer], ...] = ()
    deleted: bool = False
    unsettled: bool = False
    waits: bool = False
    wishes: frozenset[tuple[str, str]] = frozenset()


def asked_as(action: Action, offer: Offer) -> str:
    """Return what names a wish, so that a new one does not wait for the gap of another one that was refused."""
    return "|".join((action.value, *offer.spent_as))


# --- whom to look for ---------------------------------------------------------------------------------------------


def counts(offer: Offer, acts: Iterable[Act]) -> bool:
    """Say whether a consent counts as one: it stands, and was not gone from its order before it was used (7.12)."""
    return offer.standing and (offer.usable or _is_spent(offer, acts))


def has_consent(consumer: Consumer, acts: Sequence[Act]) -> bool:
    """Say whether any consent with a target here counts."""
    return any(counts(offer, acts) for offer in consumer.offers)


def is_rehearsed(consumer: Consumer, rules: Rules) -> bool:
    """Say whether a rehearsal leaves this person out (routes.md R66)."""
    return rules.only is not None and consumer.person.email_key not in rules.only


def may_owe_undoing(consumer: Consumer, acts: Sequence[Act], rules: Rules) -> bool:
    """Say whether something that was done is to be undone, as far as our own evidence shows."""
    return any(True for _ in _to_undo(consumer, acts, rules))


# --- the decision -------------------------------------------------------------------------------------------------


def judge(
    consumer: Consumer,
    seen: Seen,
    acts: Sequence[Act],
    known: Known,
    infos: Mapping[Target, TargetInfo],
    rules: Rules,
) -> Decision:
    """Decide what may be done of one person.

    Args:
        seen: what the CRM says of the person, just now; with a standing for each target that is there.
        acts: all rows of evidence of the person at this CRM, oldest first, settled by this look as far as it does.
    """
    undoing, undo_waits, undo_wishes = _undo(consumer, seen, acts, known, rules)
    if is_rehearsed(consumer, rules):
        undoing, undo_waits = (), False
    notes = notes_of(consumer) | ({WAITING_RETRY} if undo_waits else frozenset())
    counting = [offer for offer in consumer.offers if counts(offer, acts)]
    without, deleted = not counting, _is_deleted(seen, known)
    unsettled = any(act.outcome is Outcome.UNKNOWN for act in acts)

    def writes_nothing(held: str | None, consent_id: str | None) -> Decision:
        return Decision(
            held,
            fields=False,
            creates=False,
            without_consent=without,
            held_consent=consent_id,
            noted=notes,
            subscriptions=undoing,
            deleted=deleted,
            unsettled=unsettled,
            waits=undo_waits,
            wishes=undo_wishes,
        )

    if without and not rules.records_all:
        return writes_nothing(None, None)
    record_held = _record_held(consumer, seen, known, counting, rules)
    if record_held is not None:
        return writes_nothing(record_held, counting[0].consent_id if counting else None)
    found = _Targets(consumer, seen, acts, known, infos, rules, usable_after=known.deleted_at if deleted else None)
    for target in _in_order(offer.target for offer in counting):
        found.judge(target)
    lets = found.lets or rules.records_all
    reasons = sorted(found.reasons, key=lambda one: HELD.index(one[0]))
    held, consent = (reasons[0][0], reasons[0][1]) if reasons and not lets else (None, None)
    if lets:
        notes |= {reason for reason, _ in reasons}
    if found.waits:
        notes |= {WAITING_RETRY}
    undone = {one.target.id for one in undoing}
    return Decision(
        held,
        fields=lets,
        creates=lets,
        without_consent=without,
        held_consent=consent,
        noted=notes,
        subscriptions=(*undoing, *(one for one in found.subscriptions if one.target.id not in undone)),
        missing=tuple(found.missing),
        deleted=deleted,
        unsettled=found.unsettled or unsettled,
        waits=found.waits or undo_waits,
        wishes=undo_wishes | found.wishes,
    )


def _record_held(consumer: Consumer, seen: Seen, known: Known, counting: Sequence[Offer], rules: Rules) -> str | None:
    """Return why the record may not be written, or may not be made."""
    if is_rehearsed(consumer, rules):
        return REHEARSAL
    if seen.held is not None and seen.held != DELETED_THERE:
        return seen.held
    if seen.record is not None:
        return None
    if _is_deleted(seen, known) and not any(_is_after_deletion(offer, known) for offer in counting):
        return DELETED_THERE
    may = any(offer.may_create for offer in counting) if counting else consumer.may_create
    return None if may else NOT_THERE


def _is_deleted(seen: Seen, known: Known) -> bool:
    """Say whether the person had a record there, and has none any more."""
    return seen.record is None and (seen.held == DELETED_THERE or known.deleted_at is not None)


def _is_after_deletion(offer: Offer, known: Known) -> bool:
    """Say whether an order was first seen after the loss of the record was noticed; noticed just now: none was."""
    return offer.usable and known.deleted_at is not None and offer.first_seen_at > known.deleted_at


class _Targets:
    """Judges one person's targets one after the other, and collects what follows."""

    def __init__(
        self,
        consumer: Consumer,
        seen: Seen,
        acts: Sequence[Act],
        known: Known,
        infos: Mapping[Target, TargetInfo],
        rules: Rules,
        usable_after: datetime | None,
    ) -> None:
        self._consumer, self._seen, self._acts, self._known = consumer, seen, acts, known
        self._infos, self._rules, self._after = infos, rules, usable_after
        self.lets = self.unsettled = self.waits = False
        self.reasons: list[tuple[str, str]] = []
        self.subscriptions: list[Subscription] = []
        self.missing: list[tuple[Target, Offer]] = []
        self.wishes: set[tuple[str, str]] = set()

    def judge(self, target: Target) -> None:
        """Judge what the person's consents mean for one target."""
        acts = [act for act in self._acts if act.target == target.id]
        offers = [one for one in self._consumer.offers if one.target == target and counts(one, acts)]
        fresh = [one for one in offers if one.usable and not _is_spent(one, acts) and self._is_recent(one)]
        usable = [one for one in fresh if not (one.imported and one.earliest_at is None)]
        info = self._infos.get(target, TargetInfo())
        if info.missing is not None:
            self.lets = True
            if fresh:
                best = best_of(fresh)
                self.wishes.add((target.id, asked_as(Action.SUBSCRIBE, best)))
                if self._known.waits.get(target.id) == asked_as(Action.SUBSCRIBE, best):
                    self.waits = True
                else:
                    self.missing.append((target, best))
            return
        standing = self._seen.standings[target]
        if any(act.outcome is Outcome.UNKNOWN for act in acts):
            self.lets = self.unsettled = True
            return
        if standing.state is State.SUPPRESSED:
            self._hold(SUPPRESSED_THERE, offers)
        elif standing.state is State.UNSUBSCRIBED:
            self._judge_unsubscribed(target, standing, offers, usable, acts, info)
        elif standing.state is State.SUBSCRIBED and not (info.confirms and _lacks(target, standing)):
            self._judge_subscribed(target, standing, usable, acts)
        else:
            self._judge_absent(target, standing, offers, usable, fresh, acts, info)

    def _judge_unsubscribed(
        self,
        target: Target,
        standing: Standing,
        offers: Sequence[Offer],
        usable: Sequence[Offer],
        acts: Sequence[Act],
        info: TargetInfo,
    ) -> None:
        if any(_awaits_in_spite(act, standing) for act in _since_undone(acts)):
            self._await(target, standing, usable)
            return
        newer = [one for one in usable if _is_newer(one, standing.since)] if self._rules.resubscribe else []
        if not newer:
            self._hold(UNSUBSCRIBED_THERE, offers)
            return
        self._subscribe(target, standing, usable, acts, confirms=info.confirms)

    def _await(self, target: Target, standing: Standing, usable: Sequence[Offer]) -> None:
        """Leave somebody alone who was sent a message to confirm; further consents send no second one."""
        self.lets = True
        for offer in usable:
            self._add(Action.ALREADY, target, offer, standing)

    def _judge_subscribed(
        self, target: Target, standing: Standing, usable: Sequence[Offer], acts: Sequence[Act]
    ) -> None:
        self.lets = True
        # Lists of a subscription of ours that were not added yet, because the power went or they were refused.
        open_lists = [act for act in acts if act.is_ours and act.lists_open]
        lists = tuple(name for name in standing.missing if any(name in act.lists for act in open_lists))
        if not usable and lists:
            act = open_lists[-1]
            for offer in self._consumer.offers:
                if offer.spent_as == act.spent_as and offer.target == target and offer.usable:
                    self._add(Action.ADD_TO_LIST, target, offer, standing, lists=lists)
                    return
        elif usable:
            best = best_of(usable)
            also = tuple(one for one in usable if one is not best)
            action = Action.ADD_TO_LIST if standing.missing else Action.ALREADY
            self._add(action, target, best, standing, also=also, lists=standing.missing)

    def _judge_absent(
        self,
        target: Target,
        standing: Standing,
        offers: Sequence[Offer],
        usable: Sequence[Offer],
        fresh: Sequence[Offer],
        acts: Sequence[Act],
        info: TargetInfo,
    ) -> None:
        if any(act.outcome is Outcome.AWAITING for act in _since_undone(acts)):
            self._await(target, standing, usable)
        elif usable:
            self._subscribe(target, standing, usable, acts, confirms=info.confirms)
        elif any(_is_spent(one, acts) for one in offers):
            if standing.state is State.SUBSCRIBED:  # at the CRM, though not on this list any more
                self.lets = True
            else:
                self._hold(REMOVED_THERE, offers)
        elif fresh:
            self._hold(CONSENT_TIME_UNKNOWN, fresh)

    def _subscribe(
        self,
        target: Target,
        standing: Standing,
        usable: Sequence[Offer],
        acts: Sequence[Act],
        *,
        confirms: bool = False,
    ) -> None:
        self.lets = True
        best = best_of(usable)
        also = tuple(one for one in usable if one is not best)
        if self._joins(target, standing, usable):
            return
        tries = 1 + max((act.tries for act in acts if _was_tried(act, best)), default=0)
        self._add(
            Action.SUBSCRIBE, target, best, standing, also=also, lists=target.lists, confirms=confirms, tries=tries
        )

    def _joins(self, target: Target, standing: Standing, usable: Sequence[Offer]) -> bool:
        """Join a subscription to the same thing that another consent brings about: only further lists are added."""
        for at, one in enumerate(self.subscriptions):
            if one.action is not Action.SUBSCRIBE or one.target.id != target.id:
                continue
            lists = tuple(name for name in target.lists if name not in one.lists)
            if lists:
                best = best_of(usable)
                also = tuple(other for other in usable if other is not best)
                self._add(Action.ADD_TO_LIST, target, best, standing, also=also, lists=lists)
            else:
                self.subscriptions[at] = replace(one, also=(*one.also, *usable))
            return True
        return False

    def _add(
        self,
        action: Action,
        target: Target,
        offer: Offer,
        standing: Standing,
        *,
        also: tuple[Offer, ...] = (),
        lists: tuple[str, ...] = (),
        confirms: bool = False,
        tries: int = 1,
    ) -> None:
        if action is not Action.ALREADY:
            self.wishes.add((target.id, asked_as(action, offer)))
            if self._known.waits.get(target.id) == asked_as(action, offer):
                self.waits = True
                return
        self.subscriptions.append(
            Subscription(action, target, offer, standing.state, also, lists, confirms=confirms, tries=tries)
        )

    def _hold(self, reason: str, offers: Sequence[Offer]) -> None:
        self.reasons.append((reason, offers[0].consent_id))

    def _is_recent(self, offer: Offer) -> bool:
        """Say whether a consent is of an order seen after the record was lost, and of which all is still kept."""
        is_kept = self._rules.oldest is None or offer.first_seen_at >= self._rules.oldest
        return is_kept and (self._after is None or offer.first_seen_at > self._after)


def best_of(offers: Sequence[Offer]) -> Offer:
    """Return the consent that is used of several: the latest, unknown least, ties by greater order id (7.7)."""
    return max(offers, key=lambda one: (one.earliest_at or datetime.min, one.order_id))


def _is_newer(offer: Offer, since: datetime | None) -> bool:
    """Say whether a consent is surely newer than an unsubscription; what is not known is never newer (7.6)."""
    if since is None or offer.earliest_at is None:
        return False
    return offer.earliest_at - since.astimezone(UTC).replace(tzinfo=None) > NEWER_BY


def _awaits_in_spite(act: Act, standing: Standing) -> bool:
    """Say whether somebody who had opted out has only not confirmed yet: no later opt-out than that shows."""
    if act.outcome is not Outcome.AWAITING or act.state_before != State.UNSUBSCRIBED or standing.since is None:
        return False
    return standing.since.astimezone(UTC).replace(tzinfo=None) - act.sent_at <= NEWER_BY


def _is_spent(offer: Offer, acts: Iterable[Act]) -> bool:
    return any(act.spends for act in acts if act.target == offer.target.id and act.spent_as == offer.spent_as)


def _was_tried(act: Act, offer: Offer) -> bool:
    return act.action is Action.SUBSCRIBE and act.spent_as == offer.spent_as


def _lacks(target: Target, standing: Standing) -> bool:
    """Say whether somebody who is subscribed at the CRM is not on the very list that is the target."""
    return not target.lists and target.id in standing.missing


def _in_order(targets: Iterable[Target]) -> list[Target]:
    return sorted(set(targets), key=lambda one: (one.id, one.lists))


def notes_of(consumer: Consumer) -> frozenset[str]:
    """Return what is worth knowing of a person whatever the CRM says."""
    return consumer.noted | ({WITHDRAWN} if any(offer.withdrawn for offer in consumer.offers) else frozenset())


# --- undoing ------------------------------------------------------------------------------------------------------


def _since_undone(acts: Sequence[Act]) -> list[Act]:
    """Return what was done at a target after the last time that it was undone there."""
    last = max(
        (index for index, act in enumerate(acts) if _is_undoing(act)),
        default=-1,
    )
    return list(acts[last + 1 :])


def _to_undo(consumer: Consumer, acts: Sequence[Act], rules: Rules) -> Iterable[tuple[Offer, list[Act]]]:
    """Return each consent whose withdrawal, or an opt-out met meanwhile, is to be followed, and what is ours there.

    Consents that lead to one subscription, each with lists of its own, are of one target here. A withdrawal is followed
    once: what another consent brought about afterwards is not undone because of it.
    """
    for target in sorted({offer.target.id for offer in consumer.offers}):
        all_acts = [act for act in acts if act.target == target]
        ours = [act for act in _since_undone(all_acts) if act.is_ours]
        if not ours:
            continue
        offers = [one for one in consumer.offers if one.target.id == target]
        met = next((act for act in reversed(ours) if act.outcome is Outcome.UNDONE), None)
        cause = next((one for one in offers if met is not None and one.spent_as == met.spent_as), None)
        if cause is None and rules.unsubscribe_withdrawn and not any(one.standing for one in offers):
            followed = {act.spent_as for act in all_acts if _is_undoing(act)}
            withdrawn = [one for one in offers if one.withdrawn and one.spent_as not in followed]
            cause = max(withdrawn, key=lambda one: (one.order_read_at, one.order_id), default=None)
        if cause is not None:
            yield cause, ours


def _is_undoing(act: Act) -> bool:
    return act.action is Action.UNSUBSCRIBE and act.outcome is Outcome.ACCEPTED


def _undo(
    consumer: Consumer, seen: Seen, acts: Sequence[Act], known: Known, rules: Rules
) -> tuple[tuple[Subscription, ...], bool, frozenset[tuple[str, str]]]:
    """Return what is to be undone, of what our evidence shows that we did, and still stands there (7.11).

    And whether some of it waits for another try, and all that is asked.
    """
    pending = {act.target for act in acts if act.outcome is Outcome.UNKNOWN}
    owed = [(offer, ours) for offer, ours in _to_undo(consumer, acts, rules) if offer.target.id not in pending]
    wholly = _nothing_of_ours_stands(consumer, acts, {offer.target.id for offer, _ in owed})
    kept = {name for one in consumer.offers if one.standing for name in one.target.lists}
    made: list[Subscription] = []
    for offer, ours in owed:
        standing = seen.standings.get(offer.target)
        if standing is None or standing.state is not State.SUBSCRIBED:
            continue  # what the person did after us is left alone
        subscribed = any(act.action is Action.SUBSCRIBE for act in ours) and not _lacks(offer.target, standing)
        from_target = subscribed or (wholly and not offer.target.lists)
        missing = {name for one, there in seen.standings.items() if one.id == offer.target.id for name in there.missing}
        added = {name for act in ours if not act.lists_open for name in act.lists} - missing - kept
        lists = () if from_target and not offer.target.lists else tuple(sorted(added))
        if not (from_target or lists):
            continue
        contact_id = next((act.contact_id for act in reversed(ours) if act.contact_id), None)
        made.append(
            Subscription(
                Action.UNSUBSCRIBE, offer.target, offer, standing.state,
                lists=lists, from_target=from_target, contact_id=contact_id,
            )
        )  # fmt: skip
    last = next((at for at in reversed(range(len(made))) if made[at].from_target), None)
    if wholly and last is not None:  # once is enough
        made[last] = replace(made[last], wholly=True)
    wishes = {one: (one.target.id, asked_as(Action.UNSUBSCRIBE, one.offer)) for one in made}
    now = tuple(one for one in made if known.waits.get(one.target.id) != wishes[one][1])
    return now, len(now) < len(made), frozenset(wishes.values())


def _nothing_of_ours_stands(consumer: Consumer, acts: Sequence[Act], undone: Collection[str]) -> bool:
    """Say whether it was we who made the person subscribed at all, and no other target of ours has them.

    Args:
        undone: targets that are undone now, all together.
    """
    made = False
    for act in acts:
        if _is_undoing(act):
            made = made and not act.wholly
        elif act.is_ours and act.action is Action.SUBSCRIBE and act.state_before != State.SUBSCRIBED:
            made = made or act.outcome is not Outcome.AWAITING
    others = {one.target for one in acts} - set(undone)
    elsewhere = any(
        act.is_ours for other in others for act in _since_undone([one for one in acts if one.target == other])
    )
    return made and not elsewhere and not any(one.standing for one in consumer.offers)


# --- what a look says of what is not known yet --------------------------------------------------------------------


def settle(
    act: Act, standing: Standing, target: Target, *, confirms: bool, rules: Rules, now: datetime
) -> tuple[Outcome, str | None, bool] | None:
    """Say what became of something whose outcome is not known, by a look that was made after it.

    Args:
        now: UTC without zone.

    Returns:
        Outcome, code, and whether lists are still to be added; None where it stays unknown.
    """
    is_late = now - act.sent_at >= SENT_AGAIN_AFTER
    if act.action is Action.UNSUBSCRIBE:
        is_off = standing.state is not State.SUBSCRIBED or (_lacks(target, standing) and not act.wholly)
        if is_off or (not act.from_target and set(act.lists) <= set(standing.missing)):
            return Outcome.ACCEPTED, None, False
        return None if rules.shows_late and not is_late else (Outcome.NOT_DONE, None, False)
    subscribed = standing.state is State.SUBSCRIBED
    if act.action is Action.ADD_TO_LIST:
        if subscribed and not set(act.lists) & set(standing.missing):
            return Outcome.ACCEPTED, None, False
        return None if rules.shows_late and not is_late else (Outcome.NOT_DONE, None, False)
    if subscribed and not _lacks(target, standing):
        return Outcome.ACCEPTED, None, bool(set(act.lists) & set(standing.missing))
    if confirms:  # whether a message went out cannot be seen, and a second one must not
        return Outcome.AWAITING, None, False
    if not rules.shows_late:
        return Outcome.NOT_DONE, None, False
    if not is_late:
        return None
    if standing.state is State.UNSUBSCRIBED:
        kept = act.state_before == State.UNSUBSCRIBED
        return (Outcome.REJECTED, KEPT_UNSUBSCRIBED, False) if kept else (Outcome.NOT_DONE, None, False)
    return (Outcome.NOT_DONE, None, False) if act.tries < MOST_TRIES else (Outcome.REJECTED, NOT_APPLIED, False)
