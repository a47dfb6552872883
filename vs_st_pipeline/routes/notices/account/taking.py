"""Takes what an account's callbacks say out of the inbox (notices.md 3.4): STOPs, receipts, then replies.

Data flow: inbox entries of the account -> account.sqlite, in one transaction -> inbox: done. A second taking of an
entry says nothing. A reply goes to the merchant whose message it answers (8.1); its merchant is hinted at.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors.gupshup import callbacks
from vs_st_pipeline.connectors.gupshup.callbacks import Deduction, OptIn, Receipt, Reply, Said, TemplateNews
from vs_st_pipeline.connectors.gupshup.codes import NOT_TOGETHER
from vs_st_pipeline.connectors.gupshup.names import CALLBACK, KINDS
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.hints import WHOLE, Hint, Outcome
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import reply_rules
from vs_st_pipeline.routes.notices.account import answering, consents, receipts
from vs_st_pipeline.routes.notices.account.answering import Answered
from vs_st_pipeline.routes.notices.account.consents import Consent
from vs_st_pipeline.routes.notices.account.store import AccountStore, next_seq
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import GUPSHUP, NAME
from vs_st_pipeline.routes.notices.words import ConsentSource, Noted

FIRST_CALLBACK, LAST_CALLBACK, TEMPLATE_EVENT, WORDS = "first_callback", "last_callback", "template_event", "words:"
PROVEN: Final = "proven"
TEMPLATES_WANTED: Final = "templates_wanted"  # the list is to be read by the next sync, however old it is
_KINDS: Final = KINDS | {WHOLE}


@dataclass(slots=True)
class Taken:
    """What a taking was about.

    Attributes:
        answered: the replies, with the merchants whose they are, whether they were known or not.
        noted: words.Noted: calls that are no JSON of the system's, callbacks of another app, receipts of no message.
    """

    answered: list[Answered] = field(default_factory=list)
    noted: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Answered]:
        return iter(self.answered)


def take(session: NoticesSession, account: GupshupAccount) -> None:
    """Take the whole inbox of an account, under the account's own lock, whoever the callbacks are about.

    A dry run takes nothing: it looks at what waits, in its copy of the account's file (rulings, notices 24).
    """
    run, store = session.run, session.store(account)
    if run.inbox is None or not run.inbox.exists:
        return
    taken = keep(store, _waiting(store, run.inbox), run=run) if run.dry_run else take_waiting(store, run.inbox, run=run)
    session.told.noted.update(taken.noted)


def _waiting(store: AccountStore, inbox: Inbox) -> list[Hint]:
    name = store.account.inbox_name
    return inbox.open_of(name, NAME, GUPSHUP, _KINDS)


def take_waiting(store: AccountStore, inbox: Inbox, *, run: Run) -> Taken:
    """Claim what waits in the inbox of the store's account, keep it, and settle it; on an error it waits again.

    What another process has claimed is kept as well, for it may be dead; if it lives, it settles that itself. Other
    merchants that were answered are told before anything is settled: where the power goes between, it is done again.

    Raises:
        TryLater: another process does the same, and does not end.
    """
    from vs_st_pipeline.routes.notices import hinting  # which keeps by this module what a whole sync takes

    name = store.account.inbox_name
    with store.lock():
        inbox.take_back_dead()
        records = [one for one in inbox.waiting([name], route=NAME) if one.system == GUPSHUP and one.kind in _KINDS]
        hints = inbox.claim(records, f"account {run.run_id} {store.account.id}", run_id=run.run_id) if records else []
        mine = {one.hint for one in hints}
        others = [one for one in inbox.open_of(name, NAME, GUPSHUP, _KINDS) if one.hint not in mine]
        if not (hints or others or store.exists):
            return Taken()
        failpoint("account")
        try:
            taken = keep(store, [*others, *hints], run=run)
            failpoint("callbacks kept")
            hinting.tell(inbox, [one for one in taken if one.merchant != run.merchant.id])
        except BaseException:
            with suppress(*UNUSABLE):
                inbox.give_back(hints)
            raise
        failpoint("account")
        if hints:
            inbox.settle(hints, Outcome.WRITTEN, run_id=run.run_id)
    return taken


def take_again(store: AccountStore, *, run: Run) -> None:
    """Keep what was taken into a file that is lost, as far as the inbox still has it; what is known says nothing."""
    if run.inbox is not None and run.inbox.exists:
        hints = [one for one in run.inbox.done(store.account.inbox_name, NAME, GUPSHUP) if one.kind in _KINDS]
        if hints:
            keep(store, hints, run=run)


def keep(store: AccountStore, hints: Sequence[Hint], *, run: Run) -> Taken:
    """Store what callbacks say, in one transaction; what is stored already stays as it is.

    Everything else that time alone moves is looked at too: receipts that no message waits for any more.
    """
    now, taken = run.now(), Taken()
    said = list(_read(store, hints, taken.noted, now))
    with store.write() as db:
        stops, starts = _words(db)
        is_stop, is_start = _judge(stops), _judge_of(stops, starts)
        # STOPs, receipts, replies: who asked to be left alone is, whatever else came with it.
        _opt_outs(db, store, said, is_stop)
        for one in said:
            if isinstance(one, Receipt):
                receipts.take(db, store, one, now)
        receipts.settle_unknown(db, store, _in_question(db, now), now)
        for one in said:
            if isinstance(one, Reply):
                answered = answering.take(db, store, one, is_stop, is_start, now)
                taken.answered += [answered] if answered is not None else []
            elif isinstance(one, OptIn) and one.is_in:
                consents.add(store, db, [_opt_in(one)])
            elif isinstance(one, TemplateNews):
                _template(db, one, now)
            elif isinstance(one, Deduction):
                _deduct(db, one)
        taken.noted[Noted.FOREIGN_RECEIPTS] += receipts.mark_foreign(db, now)
        if said:
            db.execute("insert or ignore into facts values (?, 'yes', ?)", [FIRST_CALLBACK, now.isoformat()])
            db.execute("insert or replace into facts values (?, 'yes', ?)", [LAST_CALLBACK, now.isoformat()])
        if any(isinstance(one, Receipt) and one.code != NOT_TOGETHER for one in said):
            db.execute(
                "insert or replace into facts values (?, ?, ?)", [PROVEN, as_proven(store.account), now.isoformat()]
            )
    return taken


def as_proven(account: GupshupAccount) -> str:
    """Return the settings of an account that a receipt proves: the app calls for its own messages alone (13.6)."""
    number = getattr(account, "number", "")  # of an account that was taken out of the settings nothing else is known
    return f"{account.app_name} {number}"


def _read(store: AccountStore, hints: Iterable[Hint], noted: Counter[str], now: datetime) -> Iterator[Said]:
    for hint in hints:
        callback = hint.kept.get(CALLBACK)
        if hint.kind == WHOLE or not isinstance(callback, dict):
            noted[Noted.BAD] += 1
        elif callback.get("app") != store.account.app_name:
            noted[Noted.FOREIGN] += 1
        else:
            said = callbacks.said_in(callback, received_at(hint), now)
            if said is not None:
                yield said


def received_at(hint: Hint) -> datetime:
    """Return when a callback was received, by VS_ST_NOW; UTC without zone."""
    at = datetime.fromisoformat(hint.at)
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _opt_outs(
    db: sqlite3.Connection, store: AccountStore, said: Iterable[Said], is_stop: Callable[[str], bool]
) -> None:
    outs = []
    for one in said:
        if isinstance(one, OptIn) and not one.is_in:
            outs.append(_opt_in(one))
        elif isinstance(one, Reply) and is_stop(one.said):
            outs.append(answering.word(one, ConsentSource.STOP_WORD, consents.OUT))
    if outs:
        consents.add(store, db, outs)


def _opt_in(one: OptIn) -> Consent:
    word = "opted-in" if one.is_in else "opted-out"
    state = consents.IN if one.is_in else consents.OUT
    return Consent(one.phone, ConsentSource.GUPSHUP_EVENT, state, one.at, evidence={"event": word})


def _in_question(db: sqlite3.Connection, now: datetime) -> list[str]:
    rows = db.execute(
        "select distinct phone_hash from claims where state = 'unknown' and claimed_at >= ?",
        [(now - receipts.SETTLED_FOR).isoformat()],
    )
    return [row["phone_hash"] for row in rows]


def _template(db: sqlite3.Connection, one: TemplateNews, now: datetime) -> None:
    made = db.execute(
        "insert or ignore into template_events (seq, template_id, status, at) values (?, ?, ?, ?)",
        [next_seq(db), one.template_id or "", one.status or "", one.at.isoformat()],
    )
    if made.rowcount:
        db.execute("insert or replace into facts values (?, 'yes', ?)", [TEMPLATE_EVENT, now.isoformat()])
        # That it came counts: what it says of when it happened may be by a clock that is behind ours.
        wanted = [TEMPLATES_WANTED, repr(time.time()), now.isoformat()]
        db.execute("insert or replace into facts values (?, ?, ?)", wanted)


def _deduct(db: sqlite3.Connection, one: Deduction) -> None:
    db.execute(
        "insert or ignore into billing (seq, key, gs_id, type, detail, at) values (?, ?, ?, ?, ?, ?)",
        [next_seq(db), one.key, one.gs_id, one.type, json.dumps(dict(one.detail)), one.at.isoformat()],
    )


# --- words ------------------------------------------------------------------------------------------------------------


def note_words(store: AccountStore, rules: reply_rules.ReplyRules) -> None:
    """Store a merchant's own words for STOP and START: a text to a shared account is judged by those of all."""
    told = json.dumps([sorted(rules.stop_words), sorted(rules.start_words)])
    if store.exists:
        with store.read() as db:
            known = db.execute("select value from facts where name = ?", [WORDS + store.merchant]).fetchone()
        if known is not None and known["value"] == told:
            return
    with store.write() as db:
        db.execute("insert or replace into facts values (?, ?, '')", [WORDS + store.merchant, told])


def is_stop(store: AccountStore) -> Callable[[str], bool]:
    """Return what says whether a text to the account is a STOP, by the words of the house and of all its merchants."""
    if not store.exists:
        return reply_rules.is_stop
    with store.read() as db:
        return _judge(_words(db)[0])


def _words(db: sqlite3.Connection) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Return the words for STOP, of all merchants, and those for START, by merchant.

    Whoever says a STOP of any merchant's is left alone. What is a START to one merchant may be any word to the
    customers of another.
    """
    stops, starts = set(reply_rules.default().stop_words), dict[str, frozenset[str]]()
    for row in db.execute("select name, value from facts where name glob ?", [WORDS + "*"]):
        own_stops, own_starts = json.loads(row["value"])
        stops |= set(own_stops)
        starts[row["name"].removeprefix(WORDS)] = frozenset(own_starts)
    return frozenset(stops), starts


def _judge(words: frozenset[str]) -> Callable[[str], bool]:
    return lambda text: bool(text) and reply_rules.folded(text) in words


def _judge_of(stops: frozenset[str], starts: dict[str, frozenset[str]]) -> Callable[[str, str | None], bool]:
    def is_start(text: str, merchant: str | None) -> bool:
        words = reply_rules.default().start_words | starts.get(merchant or "", frozenset())
        return _judge(words - stops)(text)

    return is_start


def note_outcome(store: AccountStore, message_id: str, outcome: str, action_id: str | None = None) -> None:
    """Note what became of a reply, so that its message counts as answered from then on (8.1)."""
    with store.write() as db:
        db.execute(
            "update replies set outcome = ?, action_id = ? where message_id = ?", [outcome, action_id, message_id]
        )
