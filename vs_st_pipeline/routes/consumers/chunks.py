"""Brings people at one CRM to what is wanted, some hundreds at a time: looked at, judged, planned and written.

Data flow: planned.consumers_due -> chunks -> `looking`, `planning`, `writing` -> who is done is not due any more.

A chunk is written before the next one is looked at, so that no state is old when somebody is subscribed, and memory
does not grow with the merchant. Whoever has to be looked at again (somebody made the record meanwhile, no answer came,
the minute was over) is, in the same chunk; where a chunk takes longer than a minute, it is halved.

It is long because a person's way from being due to being done is told here from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import due, evidence, judging, looking, planning, writing
from vs_st_pipeline.routes.consumers.judging import Action, Decision
from vs_st_pipeline.routes.consumers.looking import ACCEPTED, OBJECT, REJECTED, UNKNOWN, Desk, Subject
from vs_st_pipeline.routes.consumers.stage_names import PLAN, PUSH
from vs_st_pipeline.routes.consumers.words import REHEARSAL

MOST_LOOKS: Final = 5  # at one person in one chunk
PROBE: Final = 100  # people who are looked at first, to see whether anything shows yet
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds between two looks for what was taken

Do = Callable[..., Any]
"""Runs a part of a stage: its name, what to call, and with what."""


class Chunks:
    """One CRM's part of one sync."""

    def __init__(self, desk: Desk, do: Do = lambda _stage, make, *given: make(*given)) -> None:
        self._desk, self._do = desk, do
        self._people: dict[str, Subject] = {}  # of the chunk under way
        self._unknown: set[str] = set()  # who was counted as unknown

    def run(self, only: Collection[str] | None = None) -> None:
        """Plan and write who is due.

        Args:
            only: address keys; None: everybody.

        Raises:
            PipelineError: the CRM cannot go on; who was not come to stays due.
        """
        desk, waiting = self._desk, list[Subject]()
        for page in due.pages(desk.run, desk.name, only):
            with desk.run.open() as db:
                subjects = looking.load(desk, db, [one.email_key for one in page])
            asked = [one for one in subjects if looking.is_to_look_at(desk, one)]
            asked_keys = {one.key for one in asked}
            self._do(PLAN, self._leave, [one for one in subjects if one.key not in asked_keys])
            if not desk.is_open:  # their time came just now: they stay due
                continue
            waiting += asked
            while len(waiting) >= (size := max(1, desk.crm.chunk)):
                self._chunk(waiting[:size])
                waiting = waiting[size:]
        if waiting:
            self._chunk(waiting)
        if desk.writes:
            self._look_for_what_was_taken(only)

    # --- who is not asked about -----------------------------------------------------------------------------------

    def _leave(self, subjects: Sequence[Subject]) -> None:
        """Plan who is not asked about: nobody's data go there without a consent, or in a rehearsal."""
        desk = self._desk
        if not subjects:
            return
        for subject in subjects:
            consents = judging.has_consent(subject.consumer, subject.acts)
            held = (consents or desk.rules.records_all) and judging.is_rehearsed(subject.consumer, desk.rules)
            notes = judging.notes_of(subject.consumer)
            subject.decision = Decision(
                REHEARSAL if held else None, False, False, without_consent=not consents, noted=notes
            )
            subject.notes = set(notes)
            planning.count(desk.part, subject)
        with desk.run.open() as db, db.transaction():
            planning.store(desk, db, subjects)
            if desk.writes:
                self._forget_wishes(db, subjects)
                due.remove(db, desk.name, [one.person.email_key for one in subjects])

    # --- a chunk --------------------------------------------------------------------------------------------------

    def _chunk(self, subjects: Sequence[Subject]) -> None:
        self._people = {one.key: one for one in subjects}
        try:
            self._work(subjects, MOST_LOOKS, first=True)
        finally:
            if self._desk.writes:
                self._finish()
            self._people = {}

    def _work(self, subjects: Sequence[Subject], looks: int, *, first: bool) -> None:
        told = self._do(PLAN, self._look_and_plan, subjects, first)
        if not self._desk.writes:
            return
        self._do(PUSH, writing.write, self._desk, told)
        again = [one for one in told if one.stopped]
        stopped = {one.key for one in again}
        for one in told:
            one.done = one.key not in stopped
        if not again:
            return
        is_stale = any(one.stale for one in again)
        if is_stale and len(again) > 1:
            middle = len(again) // 2
            groups, looks = [again[:middle], again[middle:]], looks
        elif looks > 1:
            groups, looks = [again], looks - 1
        else:
            for one in again:
                one.ends.add(UNKNOWN)
            return
        for group in groups:
            self._work(self._anew(group), looks, first=False)

    def _anew(self, subjects: Sequence[Subject]) -> list[Subject]:
        with self._desk.run.open() as db:
            fresh = looking.load(self._desk, db, [one.person.email_key for one in subjects])
        for before, now in zip(subjects, fresh, strict=True):
            now.ends = set(before.ends)
            now.notes = set(before.notes)
            self._people[now.key] = now
        return fresh

    def _look_and_plan(self, subjects: Sequence[Subject], first: bool) -> list[Subject]:
        """Look at people and plan them; returns those of whom something is known now."""
        desk = self._desk
        known_before = {one.key: set(one.notes) for one in subjects}
        told = looking.look(desk, subjects)
        told_keys = {one.key for one in told}
        for one in subjects:
            (one.ends.discard if one.key in told_keys else one.ends.add)(UNKNOWN)
        already: list[dict[str, Any]] = []
        with desk.run.open() as db, db.transaction():
            looking.store(desk, db, told)
            settled = looking.settle(desk, db, told)
            for one in told:
                planning.plan(desk, one)
                one.notes |= known_before[one.key]
                one.waits = one.waits or bool(one.decision and one.decision.waits)
                if one.decision and one.decision.unsettled:
                    one.ends.add(UNKNOWN)
            planning.store(desk, db, told)
            if desk.writes:
                looking.note_deleted(desk, db, [one for one in told if one.decision and one.decision.deleted])
                planning.observe(desk, db, told)
                already = self._note_already(db, told)
                self._note_missing(db, told)
                self._forget_wishes(db, told)
        if desk.writes:
            desk.evidence.append(already, durable=False)
            desk.evidence.append_outcomes(settled, desk.run.now())
        failpoint("planned")
        if first:
            looking.count_found(desk.part, told)
            for one in told:
                planning.count(desk.part, one)
        return told

    def _note_already(self, db: Db, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
        """Store the evidence of consents whose people stand at their target already: they are spent."""
        rows: list[dict[str, Any]] = []
        for subject in subjects:
            at = looking.read_at(self._desk, subject)
            for one in subject.subscriptions:
                if one.action is Action.ALREADY:
                    for make in (self._desk.evidence.rows, self._desk.evidence.further_rows):
                        rows += make(self._desk.name, subject.person, one, contact_id=subject.record_id, read_at=at)
        evidence.insert(db, rows)
        return rows

    def _note_missing(self, db: Db, subjects: Sequence[Subject]) -> None:
        """Have subscriptions wait whose target is not there (6.5)."""
        for subject in subjects:
            for target, offer in subject.decision.missing if subject.decision else ():
                asked = judging.asked_as(Action.SUBSCRIBE, offer)
                writing.reject(db, self._desk, subject, target, asked, judging.NO_TARGET, None)
                subject.ends.add(REJECTED)

    def _forget_wishes(self, db: Db, subjects: Sequence[Subject]) -> None:
        """Forget refusals of what is not wanted any more."""
        crm = self._desk.name
        if db.row("select 1 from synced.subscription_rejects where crm = ? limit 1", [crm]):
            wishes = [(one.key, *wish) for one in subjects if one.decision for wish in sorted(one.decision.wishes)]
            columns = {name: [row[at] for row in wishes] for at, name in enumerate(("key", "target", "asked"))}
            with db.batch({"key": [one.key for one in subjects]}) as people, db.batch(columns) as wanted:
                db.execute(
                    f"""delete from synced.subscription_rejects
                        where crm = ? and key in (select key from {people})
                          and (key, target, asked) not in (select (key, target, asked) from {wanted})""",
                    [crm],
                )
        done = [one.key for one in subjects if one.rejected and not (one.changes or one.creates or one.waits)]
        if done:
            with db.batch({"key": done}) as batch:
                db.execute(
                    f"""delete from synced.rejects
                        where system = ? and object = ? and id in (select key from {batch})""",
                    [crm, OBJECT],
                )

    # --- who is done ----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Take away who is done, keep the others due, and count what became of them."""
        desk = self._desk
        people = list(self._people.values())
        with desk.run.open() as db, db.transaction():
            waiting = _refused_keys(db, desk.name, [one.key for one in people])
            done = [one for one in people if one.done and UNKNOWN not in one.ends and one.key not in waiting]
            due.remove(db, desk.name, [one.person.email_key for one in done])
            _note_orders(desk, db, done)
            unknown = [one.person.email_key for one in people if UNKNOWN in one.ends]
            refused = [one for one in people if one.done and UNKNOWN not in one.ends and one.key in waiting]
            due.keep(db, desk.name, unknown, due.UNKNOWN, desk.run.now())
            due.keep(db, desk.name, [one.person.email_key for one in refused], due.RETRY, desk.run.now())
        failpoint("finished")
        for one in people:
            if REJECTED in one.ends:
                desk.part.rejected += 1
            elif UNKNOWN in one.ends:
                desk.part.unknown += 1
                self._unknown.add(one.key)
            elif ACCEPTED in one.ends:
                desk.part.accepted += 1

    # --- what was taken, and is to be looked for ------------------------------------------------------------------

    def _look_for_what_was_taken(self, only: Collection[str] | None) -> None:
        """Look for what the CRM has taken in this sync, until it shows or its time is over; the rest stays unknown."""
        desk = self._desk
        within = desk.crm.shows_within.total_seconds()
        if within <= 0:
            return
        end, wait = desk.monotonic() + within, _FIRST_WAIT
        while True:
            with desk.run.open() as db:
                left = evidence.count_unknown(db, desk.name, desk.run.run_id)
            if not left:
                return
            remaining = end - desk.monotonic()
            if remaining <= 0 or desk.run.stop():
                return
            desk.sleep(min(wait, remaining))
            wait = min(wait * 2, _LONGEST_WAIT)
            self._look_once(only)

    def _look_once(self, only: Collection[str] | None) -> None:
        """Look at those of whom something was taken, in the order in which it left: a few, and more while all show."""
        desk, after, most = self._desk, 0, PROBE
        while True:
            with desk.run.open() as db:
                page = evidence.unknown_people(db, desk.name, desk.run.run_id, after, min(most, max(1, desk.crm.chunk)))
                subjects = looking.load(desk, db, [email_key for _, email_key in page])
            if not page:
                return
            after, most = page[-1][0], most * 2
            subjects = [one for one in subjects if only is None or one.person.email_key in only]
            if subjects and self._do(PUSH, self._settle_only, subjects) < len(subjects):
                return

    def _settle_only(self, subjects: Sequence[Subject]) -> int:
        """Look at people, and record what shows; returns of how many nothing is unknown any more."""
        desk = self._desk
        told = looking.look(desk, subjects)
        with desk.run.open() as db, db.transaction():
            looking.store(desk, db, told)
            settled = looking.settle(desk, db, told, waits_for_fields=True)
            spent: list[dict[str, Any]] = []
            for one in told:
                planning.plan(desk, one)
                one.waits = one.waits or bool(one.decision and one.decision.waits)
            clear = [one for one in told if one.decision and not one.decision.unsettled and not one.open_writes]
            # What else came up since (a value that shows late, a consent of a later order) is for the next sync.
            spent = self._note_already(db, [replace(one, subscriptions=_already(one)) for one in clear])
            self._forget_wishes(db, clear)  # what was refused before, and shows now
            waiting = _refused_keys(db, desk.name, [one.key for one in clear])
            done = [one for one in clear if one.key not in waiting and not _has_news(one)]
            due.remove(db, desk.name, [one.person.email_key for one in done])
            _note_orders(desk, db, done)
            refused = [one.person.email_key for one in clear if one.key in waiting]
            due.keep(db, desk.name, refused, due.RETRY, desk.run.now())
        desk.evidence.append(spent, durable=False)
        desk.evidence.append_outcomes(settled, desk.run.now())
        for one in clear:
            if one.key not in self._unknown:
                continue  # it was counted as rejected
            self._unknown.discard(one.key)
            desk.part.unknown -= 1
            if REJECTED in one.ends:
                desk.part.rejected += 1
            else:
                desk.part.accepted += 1
        return len(clear)


def _already(subject: Subject) -> list[judging.Subscription]:
    return [one for one in subject.subscriptions if one.action is Action.ALREADY]


def _has_news(subject: Subject) -> bool:
    """Say whether a subscription is to be sent after all; values that do not show yet were accepted."""
    return any(one.action is not Action.ALREADY for one in subject.subscriptions)


def _refused_keys(db: Db, crm: str, keys: Sequence[str]) -> set[str]:
    with db.batch({"key": keys}) as batch:
        rows = db.rows(
            f"""select id from synced.rejects where system = $crm and object = $object
                    and id in (select key from {batch})
                union select key from synced.subscription_rejects
                where crm = $crm and key in (select key from {batch})""",
            {"crm": crm, "object": OBJECT},
        )
    return {row[0] for row in rows}


def _note_orders(desk: Desk, db: Db, subjects: Sequence[Subject]) -> None:
    """Remember which was the newest order of a plan that was accepted, for the brake."""
    known = [one for one in subjects if one.record_id is not None and one.consumer.newest_order_at is not None]
    changed = [one for one in known if one.last_order_at != one.consumer.newest_order_at]
    if changed:
        at = [one.consumer.newest_order_at.isoformat() for one in changed if one.consumer.newest_order_at]
        with db.batch({"key": [one.key for one in changed], "at": at}) as batch:
            db.execute(
                f"""update synced.consumers as c set last_order_at = cast(b.at as timestamp)
                    from {batch} as b where c.crm = ? and c.key = b.key""",
                [desk.name],
            )
