"""Turns orders into one row each, and into consents, answers and people, in our words.

Data flow: raw.sopost_orders, raw.sopost_events, settings -> staged.sopost_orders, staged.consents, staged.answers,
staged.consumers; whoever has an order that was read or means something else now -> planned.consumers_due.

Only orders whose raw row or whose settings changed since they were staged are made again, some thousands at a time,
each time with the people whom they change and with the rows that have these planned, in one transaction.

It is long because an order's row, its consents and its person are decided from the same few values, batch by batch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from vs_st_pipeline.connectors.sopost import statuses
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.domain.countries import two_letters
from vs_st_pipeline.domain.emails import person_key, read_email
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.staged_batches import as_columns, stale_rows
from vs_st_pipeline.routes.consumers.bodies import (
    ADDRESS,
    TEXTS,
    AnswerSaid,
    OrderSaid,
    absent_now,
    first_and_last,
    read_body,
)
from vs_st_pipeline.routes.consumers.consents import GIVEN, MAPPED, ConsentRow, ConsentWords, rows_of
from vs_st_pipeline.routes.consumers.consumers import NEWEST_FIRST
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES
from vs_st_pipeline.routes.consumers.words import (
    ADDRESS_CHANGED,
    CONSENT_VANISHED,
    HANDLER_MISMATCH,
    REJECTED_AFTER_WRITE,
    SEVERAL_EMAILS,
    SEVERAL_NAMES,
    UNKNOWN_CONSENT_STATUS,
    UNMAPPED_CONSENT,
    UNREADABLE_PART,
)

VERSION: Final = 1  # raised when the same answer is staged as something else
UNKNOWN_STATUS: Final = "unknown_status"
WEBHOOK: Final = "webhook"


@dataclass(slots=True)
class StagedCounts:
    """What staging found.

    Attributes:
        orders: of the orders that were asked about, by the words of the report that staging knows: `rejected`,
            `unknown_status`, `no_email`, `bad_email`, `approved`; each order once.
        noted: consumers by the words of `words.NOTED_AT_THE_TOP`, each consumer once per word.
        staged: orders that were made again. due: people who are to be planned because of it.
    """

    orders: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    staged: int = 0
    due: int = 0


def stage(run: Run, read: Collection[str] | None = None) -> StagedCounts:
    """Bring the staged tables in step with raw.

    Args:
        read: ids of the orders that `StagedCounts.orders` is about, as `OrdersRead.read` names them; None: of those
            that were made again.
    """
    counts, made = StagedCounts(), list[str]()
    with run.open() as db:
        rules = _Rules(run.merchant)
        _drop_erased(db)
        for rows in stale_rows(db, _HASHES.format(fingerprint=rules.fingerprint), _BODIES):
            batch = _Batch(rules)
            olds = _staged_consents(db, [row[0] for row in rows if row[_IS_STAGED]])
            olds |= _proved_consents(db, [row[0] for row in rows if not row[_IS_STAGED]])
            for row in rows:
                batch.add(row, olds.get(row[0], []))
            with db.transaction():
                batch.store(db)
                refresh_consumers(db, batch.people)
                counts.due += make_due(db, run.merchant, batch.due, "order", run.now())
            counts.staged += len(rows)
            made += [row[0] for row in rows] if read is None else []
        counts.orders = _count_orders(db, rules, made if read is None else list(read))
        counts.noted = count_notes(db)
    return counts


def requeue(run: Run, db: Db, crm: str, why: str = "settings") -> int:
    """Have everybody planned at one CRM: after a changed map or changed settings, and with `--full`.

    Inside the caller's transaction. Whoever waits already keeps the reason, but for a retry: that is tried at once.

    Args:
        why: `map`, `settings`, `full`: what is stored as the reason.

    Returns:
        How many are added.
    """
    return len(
        db.rows(
            """insert into planned.consumers_due
               select $crm, email_key, $why, $now::timestamp
               from (select email_key from staged.consumers
                     union select email_key from synced.consumers where crm = $crm)
               on conflict do update set why = excluded.why where planned.consumers_due.why = 'retry'
               returning 1""",
            {"crm": crm, "why": why, "now": run.now()},
        )
    )


def crms_of(merchant: Merchant) -> tuple[str, ...]:
    """Return the CRMs of a merchant, in the order in which they are asked."""
    return tuple(crm for crm in CRM_NAMES if crm in merchant.sections)


# --- settings -----------------------------------------------------------------------------------------------------


class _Rules:
    """What the settings make of orders."""

    def __init__(self, merchant: Merchant) -> None:
        self._sopost = merchant.section(SoPostSettings)
        consumers = merchant.section(ConsumersSettings)
        sopost = self._sopost
        self.consents = ConsentWords.of(
            sopost.consent_given, sopost.consent_refused, sopost.consent_without_status == "given", consumers.consents
        )
        self.order_time = sopost.order_time
        self.delay = sopost.webhook_delay
        names = {
            one: sorted(map(loosely, getattr(sopost.statuses, one))) for one in ("approved", "pending", "rejected")
        }
        told = [
            *(VERSION, names, sorted(self.consents.given), sorted(self.consents.refused)),
            *(self.consents.without_status, sopost.order_time, self.delay.total_seconds()),
            sorted(map(loosely, sopost.activities)),
            sorted(
                (*pair, one.consent_id, one.data_handler, one.text_version or "", one.ignore)
                for pair, one in self.consents.entries.items()
            ),
        ]
        self.fingerprint = sha256(json.dumps(told).encode()).hexdigest()[:16]
        self._classes: dict[str, str] = {}

    def class_of(self, word: str) -> str:
        """Return the class of an order's status or an event's word."""
        if (known := self._classes.get(word)) is None:
            known = self._classes[word] = statuses.classify(self._sopost, word)
        return known

    def is_wanted(self, activity_id: str | None) -> bool:
        """Say whether orders of an activity are wanted."""
        return self._sopost.wants_activity(activity_id)


# --- what is read -------------------------------------------------------------------------------------------------

_HASHES: Final = f"""
    select r.id as key, r.changed || ':{{fingerprint}}' as source_hash, s.source_hash as staged_hash
    from {ORDERS.table} as r left join staged.sopost_orders as s on s.order_id = r.id
    where r.read_at is not null and r.status is not null"""

_OLD: Final = (
    *("email_key", "email", "email_state", "address_changed", "counted", "read_at", "products", "order_time"),
    *("silent", "body_sha256", "unreadable_parts", "source_hash", *TEXTS, *ADDRESS),
)
_RAW: Final = (
    *("body", "status", "activity_id", "read_at", "first_seen_at", "first_seen_by", "first_class", "first_event_at"),
    *("consented_at", "may_create", "body_sha256", "was_approved"),
)
_BODIES: Final = f"""
    select r.id, {", ".join(f"r.{name}" for name in _RAW)}, e.event_ids, e.words, e.first_word,
           stale.source_hash, stale.is_staged, {", ".join(f"s.{name}" for name in _OLD)}
    from {ORDERS.table} as r join temp.stale on stale.key = r.id
    left join staged.sopost_orders as s on s.order_id = r.id
    left join (select order_id, list(event_id order by seq) as event_ids, list(distinct event) as words,
                      first(event order by seq) as first_word
               from raw.sopost_events where order_id between $first and $last group by order_id) as e
      on e.order_id = r.id
    where r.id between $first and $last and stale.key between $first and $last
    order by r.id"""
_EVENTS: Final = 1 + len(_RAW)
_HASH, _IS_STAGED = _EVENTS + 3, _EVENTS + 4


def _drop_erased(db: Db) -> None:
    """Drop staged orders that raw has no more: somebody was forgotten, or an older file was put back."""
    gone = db.rows(
        f"""select order_id, email_key from staged.sopost_orders
            where order_id not in (select id from {ORDERS.table} where read_at is not null)"""
    )
    if gone:
        with db.transaction():
            drop_orders(db, [row[0] for row in gone])
            refresh_consumers(db, {row[1] for row in gone if row[1] is not None})


def drop_orders(db: Db, ids: Sequence[str]) -> None:
    """Delete staged orders with their consents and answers, inside the caller's transaction."""
    with db.batch({"id": ids}) as batch:
        for table in ("sopost_orders", "consents", "answers"):
            db.execute(f"delete from staged.{table} where order_id in (select id from {batch})")


_CONSENT_COLUMNS: Final = (
    *("consent_id", "data_handler", "consent_name", "status", "given", "entry", "verdict", "text_version"),
    *("vanished_at", "withdrawn_at", "ever_given", "once_given"),
)


def _staged_consents(db: Db, ids: Sequence[str]) -> dict[str, list[ConsentRow]]:
    found: dict[str, list[ConsentRow]] = {}
    if ids:
        with db.batch({"id": ids}) as batch:
            rows = db.rows(
                f"""select order_id, {", ".join(_CONSENT_COLUMNS)} from staged.consents
                    where order_id in (select id from {batch})"""
            )
        for order_id, *row in rows:
            found.setdefault(order_id, []).append(ConsentRow(*row))
    return found


def _proved_consents(db: Db, ids: Sequence[str]) -> dict[str, list[ConsentRow]]:
    """Return what the evidence says was given in orders that are staged for the first time, as after a loss (R35).

    Without it a withdrawal that is read only now would be one of nothing, and what was done would stand.
    """
    found: dict[str, list[ConsentRow]] = {}
    if ids and db.row("select 1 from synced.consent_evidence limit 1"):
        with db.batch({"order_id": ids}) as batch:
            rows = db.rows(
                f"""select order_id, consent_id, data_handler, max(consent_name), max(consent_status), max(text_version)
                    from synced.consent_evidence semi join {batch} using (order_id)
                    where action <> 'unsubscribe' group by 1, 2, 3 order by 1, 2, 3"""
            )
        for order_id, consent_id, handler, name, status, version in rows:
            row = ConsentRow(
                consent_id, handler, name, status, True, MAPPED, GIVEN, version, ever_given=True, once_given=True
            )
            found.setdefault(order_id, []).append(row)
    return found


# --- one batch ----------------------------------------------------------------------------------------------------

_ORDER_COLUMNS: Final = (
    *("order_id", "email_key", "email", "email_state", "address_changed", *TEXTS, "name_key", *ADDRESS, "silent"),
    *(
        "status",
        "class",
        "approved",
        "counts",
        "counted",
        "products",
        "first_seen_at",
        "ordered_at",
        "order_time",
        "earliest_at",
    ),
    *("source", "may_create", "read_at", "body_sha256", "event_ids", "unreadable_parts", "source_hash"),
)
_FLAGS: Final = {
    **dict.fromkeys(("address_changed", "approved", "counts", "counted", "may_create", "unreadable_parts"), "bool"),
    **dict.fromkeys(("given", "ever_given", "once_given"), "bool"),
    "position": "int",
}
_TIMES: Final = (
    *("first_seen_at", "ordered_at", "order_time", "earliest_at", "read_at", "vanished_at", "withdrawn_at"),
)
_ANSWER_COLUMNS: Final = ("order_id", "question_id", "answer_id", "question_text", "answer_text", "position")


class _Batch:
    """Some thousands of orders: their rows, and whom they are about.

    Attributes:
        people: keys of addresses whose row is to be made again. due: of these, who is to be planned.
    """

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules
        self._orders: list[tuple[Any, ...]] = []
        self._consents: list[tuple[Any, ...]] = []
        self._answers: list[tuple[Any, ...]] = []
        self._replaced: list[str] = []
        self._answered: list[str] = []
        self.people: set[str] = set()
        self.due: set[str] = set()

    def add(self, row: tuple[Any, ...], consents: list[ConsentRow]) -> None:
        """Stage one order."""
        order_id, raw = row[0], dict(zip(_RAW, row[1:], strict=False))
        event_ids, event_words, first_word, source_hash, is_staged = row[_EVENTS : _EVENTS + 5]
        old = dict(zip(_OLD, row[_EVENTS + 5 :], strict=True)) if is_staged else None
        rules, read_at = self._rules, raw["read_at"]
        said = read_body(raw["body"], rules.order_time) if raw["body"] is not None else None
        kind = rules.class_of(raw["status"])
        was_approved = raw["was_approved"] or any(rules.class_of(word) == "approved" for word in event_words or ())
        approved = kind == "approved" or (kind == "later" and was_approved)
        staged = _texts(said, old, has_time=rules.order_time is not None)
        activity = raw["activity_id"] or staged["activity_id"]
        email, key, state, changed = _address(said, old)
        counts = approved and state == "ok" and key is not None and rules.is_wanted(activity)
        order_time = staged["order_time"]
        if order_time is not None:
            order_time = min(order_time, raw["first_seen_at"])
        by_webhook = raw["first_seen_by"] == WEBHOOK
        ordered_at = order_time or (raw["first_seen_at"] if by_webhook else None)
        # What the first event's word means may be listed since it came (3.6).
        first_class = raw["first_class"] if first_word is None else rules.class_of(first_word)
        earliest_at = self._earliest_at(raw, order_time, first_class if by_webhook else None)
        counted = counts or bool(old and old["counted"])
        self._orders.append(
            (
                *(order_id, key, email, state, changed),
                *(staged[name] if name != "activity_id" else activity for name in TEXTS),
                loosely(staged["full_name"]) if staged["full_name"] else None,
                *(staged[name] for name in ADDRESS),
                *(staged["silent"], raw["status"], kind, approved, counts, counted),
                *(staged["products"], _iso(raw["first_seen_at"]), _iso(ordered_at), _iso(staged["order_time"])),
                *(_iso(earliest_at), raw["first_seen_by"], raw["may_create"], _iso(read_at)),
                raw["body_sha256"] or (old["body_sha256"] if old else ""),
                json.dumps([one for one in event_ids or () if one]),
                said.unreadable_part if said is not None else bool(old and old["unreadable_parts"]),
                source_hash,
            )
        )
        found = rows_of(
            None if said is None else said.consents,
            consents,
            rules.consents,
            counts=counts,
            read_at=read_at,
            is_new_read=old is None or _was_read_since(old, raw),
        )
        self._add_parts(order_id, found, earliest_at, said, replaces=is_staged)
        people = {one for one in (key, old["email_key"] if old else None) if one is not None}
        self.people |= people
        if counted:  # whoever has no order that ever counted is nobody's consumer
            self.due |= people

    def _earliest_at(
        self, raw: Mapping[str, Any], order_time: datetime | None, first_class: str | None
    ) -> datetime | None:
        """Return before which no consent of an order was given (7.6); None: unknown.

        Args:
            first_class: of the event that was its first sight; None: an import was.
        """
        if order_time is not None:
            return order_time
        if raw["first_seen_by"] != WEBHOOK:
            at: datetime | None = raw["consented_at"]
            return at
        if first_class not in ("pending", "approved") or raw["first_event_at"] is None:
            return None
        earliest: datetime = raw["first_event_at"] - self._rules.delay
        return earliest

    def _add_parts(
        self,
        order_id: str,
        consents: Iterable[ConsentRow],
        earliest_at: datetime | None,
        said: OrderSaid | None,
        *,
        replaces: bool,
    ) -> None:
        at = _iso(earliest_at)
        for one in consents:
            told = {name: getattr(one, name) for name in _CONSENT_COLUMNS}
            told |= {"vanished_at": _iso(one.vanished_at), "withdrawn_at": _iso(one.withdrawn_at)}
            self._consents.append((order_id, *told.values(), at))
        if replaces:
            self._replaced.append(order_id)
        if said is not None:
            if replaces:
                self._answered.append(order_id)
            self._answers += [_answer_row(order_id, one) for one in said.answers]

    def store(self, db: Db) -> None:
        """Write the rows, in the place of those that there were."""
        for table, ids in (
            ("sopost_orders", self._replaced),
            ("consents", self._replaced),
            ("answers", self._answered),
        ):
            if ids:
                with db.batch({"id": ids}) as batch:
                    db.execute(f"delete from staged.{table} where order_id in (select id from {batch})")
        _insert(db, "staged.sopost_orders", _ORDER_COLUMNS, self._orders)
        _insert(db, "staged.consents", ("order_id", *_CONSENT_COLUMNS, "earliest_at"), self._consents)
        _insert(db, "staged.answers", _ANSWER_COLUMNS, self._answers)


def _texts(said: OrderSaid | None, old: Mapping[str, Any] | None, *, has_time: bool) -> dict[str, Any]:
    """Return what an order says, or said last where its body is not there.

    Args:
        has_time: the settings say where an order has its time; what it was once does not change.
    """
    known_time = old["order_time"] if old is not None and has_time else None
    if said is None:
        blank = dict.fromkeys((*TEXTS, *ADDRESS, "silent"))
        kept = {**blank, "products": "[]"} if old is None else {name: old[name] for name in (*blank, "products")}
        return {**kept, "order_time": known_time}
    silent = list(absent_now(said, old, set(json.loads(old["silent"])) if old and old["silent"] else set()))
    return {
        **said.texts,
        "products": json.dumps(said.products),
        "order_time": said.order_time or known_time,
        "silent": json.dumps(silent) if silent else None,
    }


def _was_read_since(old: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Say whether an order was read since it was staged; two reads may have one time, and then say different things."""
    return bool(old["read_at"] != raw["read_at"] or (raw["body"] and old["body_sha256"] != raw["body_sha256"]))


def _address(said: OrderSaid | None, old: Mapping[str, Any] | None) -> tuple[str | None, str | None, str, bool]:
    """Return an order's address, its key and state, and whether the order shows another one now (5.1).

    The address of the first read that counted stays the order's.
    """
    if old is not None and (said is None or (old["counted"] and old["email_key"] is not None)):
        changed = bool(old["address_changed"])
        if said is not None:
            _, key, _ = read_email(said.email)
            changed = key is not None and key != old["email_key"]
        return old["email"], old["email_key"], old["email_state"], changed
    if said is None:
        return None, None, "no_email", False
    email, key, state = read_email(said.email)
    return email, key, state, False


def _answer_row(order_id: str, one: AnswerSaid) -> tuple[Any, ...]:
    return order_id, one.question_id, one.answer_id, one.question_text, one.answer_text, one.position


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _insert(db: Db, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        times = ", ".join(f"cast({name} as timestamp) as {name}" for name in names if name in _TIMES)
        replaced = f" replace ({times})" if times else ""
        with db.batch(as_columns(names, rows), {name: _FLAGS[name] for name in names if name in _FLAGS}) as batch:
            db.execute(f"insert into {table} by name select *{replaced} from {batch}")


# --- people -------------------------------------------------------------------------------------------------------

_OF_NEWEST: Final = ("email", "full_name", "telephone", *ADDRESS, "identity")
_CONSUMER_COLUMNS: Final = (
    *("email_key", "key", "email", "full_name", "first_name", "last_name", "telephone", *ADDRESS, "country_2"),
    *("identity", "newest_order_id", "order_count", "identities", "names_seen"),
)


def refresh_consumers(db: Db, people: Collection[str]) -> None:
    """Make these people's rows again, inside the caller's transaction; whoever has no order that counts has none.

    Args:
        people: keys of addresses.
    """
    if not people:
        return
    with db.batch({"email_key": sorted(people)}) as batch:
        rows = db.rows(
            f"""select email_key, {", ".join(f"first({name} order by {NEWEST_FIRST})" for name in _OF_NEWEST)},
                       first(order_id order by {NEWEST_FIRST}), count(*),
                       list(distinct identity) filter (identity is not null),
                       list(distinct full_name) filter (full_name is not null)
                from staged.sopost_orders semi join {batch} using (email_key) where counts group by email_key"""
        )
        db.execute(f"delete from staged.consumers where email_key in (select email_key from {batch})")
    made = [_consumer_row(dict(zip(("email_key", *_OF_NEWEST), row, strict=False)), row[-4:]) for row in rows]
    if made:
        with db.batch(as_columns(_CONSUMER_COLUMNS, made), {"order_count": "int"}) as batch:
            db.execute(f"insert into staged.consumers by name select * from {batch}")


def _consumer_row(of: Mapping[str, Any], counted: Sequence[Any]) -> tuple[Any, ...]:
    newest, count, identities, names = counted
    first, last = first_and_last(of["full_name"])
    return (
        *(of["email_key"], person_key(of["email_key"]), of["email"], of["full_name"], first, last, of["telephone"]),
        *(*(of[name] for name in ADDRESS), two_letters(of["territory"]), of["identity"], newest, count),
        *(json.dumps(sorted(identities or ())), json.dumps(sorted(names or ()))),
    )


def make_due(db: Db, merchant: Merchant, people: Collection[str], why: str, now: datetime) -> int:
    """Have these people planned at every CRM of the merchant, inside the caller's transaction.

    Returns:
        How many of them did not wait at any.
    """
    crms = crms_of(merchant)
    if not (people and crms):
        return 0
    with db.batch({"email_key": sorted(people)}) as batch, db.batch({"crm": crms}) as names:
        added = db.rows(
            f"""insert into planned.consumers_due
                select n.crm, b.email_key, $why, $now::timestamp from {batch} as b cross join {names} as n
                on conflict do update set why = excluded.why where planned.consumers_due.why = 'retry'
                returning email_key""",
            {"why": why, "now": now},
        )
    return len({row[0] for row in added})


# --- what is told -------------------------------------------------------------------------------------------------


def _count_orders(db: Db, rules: _Rules, ids: Sequence[str]) -> Counter[str]:
    """Count these orders, each by the first word that fits; what reading counts (pending, other activities) is not."""
    found: Counter[str] = Counter()
    if ids:
        with db.batch({"order_id": [one.lower() for one in ids]}) as batch:
            rows = db.rows(
                f"""select class, approved, email_state, activity_id, count(*) from staged.sopost_orders
                    semi join {batch} using (order_id) group by all"""
            )
        for kind, approved, email_state, activity, count in rows:
            if kind == "pending" or not rules.is_wanted(activity):
                continue
            word = "approved" if email_state == "ok" else email_state
            found["rejected" if kind == "rejected" else word if approved else UNKNOWN_STATUS] += count
    return found


_NOTES: Final = f"""
    with counting as (select * from staged.sopost_orders where counts),
    notes as (
        select email_key, '{UNREADABLE_PART}' as note from counting where unreadable_parts
        union all select email_key, '{ADDRESS_CHANGED}' from counting where address_changed
        union all select email_key, '{SEVERAL_NAMES}' from counting
            group by email_key having count(distinct name_key) > 1
        union all select email_key, '{SEVERAL_EMAILS}' from counting
            where identity in (select identity from counting group by identity having count(distinct email_key) > 1)
        union all select o.email_key,
            case when c.entry = 'handler_mismatch' then '{HANDLER_MISMATCH}'
                 when c.entry = 'unmapped' then '{UNMAPPED_CONSENT}'
                 when c.vanished_at is not null then '{CONSENT_VANISHED}' else '{UNKNOWN_CONSENT_STATUS}' end
            from counting as o join staged.consents as c using (order_id)
            where c.entry in ('handler_mismatch', 'unmapped') or (c.entry = 'mapped' and (
                c.vanished_at is not null or (c.verdict = 'neither' and c.withdrawn_at is null)))
        union all select o.email_key, '{REJECTED_AFTER_WRITE}' from staged.sopost_orders as o
            where o.class = 'rejected' and o.counted
              and o.email_key in (select email_key from synced.consumers)
    )"""


def count_notes(db: Db) -> Counter[str]:
    """Return how many consumers each of the words at the top is true of now."""
    rows = db.rows(f"{_NOTES} select note, count(distinct email_key) from notes where email_key is not null group by 1")
    return Counter(dict(rows))
