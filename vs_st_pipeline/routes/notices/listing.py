"""Reads an account's lists where they are due: its templates (2.4) and, for `gupshup_list`, its users (5.9).

Data flow: Gupshup's lists -> account.sqlite: templates, consents -> (copying) staged.

A list that is empty, cut, or of somebody else says nothing, so it changes nothing: the last verdict holds until it is
15 minutes old (10). A template that a good list lacks is gone. How old a list is goes by both clocks, whichever says
more: it protects a message, and what is due by it was judged by the other one (R47).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.connectors.gupshup.templates import OPT_IN, Template
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, Interrupted, PipelineError
from vs_st_pipeline.routes.notices.account import consents, copying, pauses
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.account.taking import TEMPLATES_WANTED
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import State, Wait

FRESH_FOR: Final = timedelta(minutes=15)
USERS_FRESH_FOR: Final = timedelta(hours=1)
AGAIN_AFTER: Final = timedelta(minutes=1)  # after a list that said nothing
TEMPLATES_READ, TEMPLATES_TRIED = "templates_read", "templates_tried"
USERS_READ: Final = "users_read"
TEMPLATES_APP: Final = "templates_app"  # whose list it is: an account may be given another app
FOREIGN: Final = (
    "Gupshup's list of templates has none of those that the account had: is app_id right? If all of them were "
    "replaced, run `vs-st notices resume --account ID`, and the next list is taken as it is"
)


def read(session: NoticesSession) -> None:
    """Read the lists of the account that this merchant sends by, where they are due; a bad list changes nothing.

    Raises:
        PipelineError: the templates could not be read; what stands holds.
    """
    account = session.gupshup.selected
    if account is None:
        return
    store, now = session.store(account), session.run.now()
    found = pauses.state(store, now)
    is_stopped = found is not None and found.reason == Wait.ACCOUNT_STOPPED
    something_due = _something_may_be_due(session)
    if not (is_stopped or something_due):
        return
    if something_due and not is_stopped and "gupshup_list" in session.settings.opt_in:
        _read_users(session, account)
    if _is_due(store, now, is_stopped=is_stopped):
        read_now(session, account)


def read_now(session: NoticesSession, account: GupshupAccount) -> None:
    """Read an account's templates now, into its file and this merchant's copy.

    Raises:
        BadAnswer: the list is empty, cut, or foreign: it changes nothing.
        BadKey: the key is refused; the account stops until a list is good.
        PipelineError: it could not be read otherwise.
    """
    store, now = session.store(account), session.run.now()
    _remember(store, TEMPLATES_TRIED, now)
    try:
        found = session.sender(account).templates()
    except BadKey as error:
        pauses.stop(store, now, kind=error.kind, why="Gupshup does not accept the account's key; set another one")
        raise
    _store_templates(store, found, now, of_app=is_of_app(store))
    pauses.good_list(store)
    session.told.seen["templates"] += len(found)
    copying.copy(session, account)


def read_if_old(session: NoticesSession, account: GupshupAccount) -> None:
    """Read an account's templates where the list is old, for an answer to a reply; a bad list changes nothing."""
    if _is_due(session.store(account), session.run.now(), is_stopped=False):
        try:
            read_now(session, account)
        except Interrupted:
            raise
        except PipelineError as error:
            session.report.parts.setdefault(account.id, error)


def ask_anew(store: AccountStore, now: datetime) -> None:
    """Have the templates read by the next sync, however old the list is: a message was rejected (7.3)."""
    _remember(store, TEMPLATES_WANTED, now)


def _something_may_be_due(session: NoticesSession) -> bool:
    """Say whether anything waits, or was heard of in this run: without that, no list is asked for."""
    if session.told.seen["orders"] or session.told.seen["hooks"]:
        return True
    with session.run.open() as db:
        return db.value("select 1 from synced.notices where state = ? limit 1", [State.WAITING]) is not None


def _is_due(store: AccountStore, now: datetime, *, is_stopped: bool) -> bool:
    """Say whether the templates are to be read: the list is old, or a template event or a rejection has come since."""
    tried, read_at = _fact(store, TEMPLATES_TRIED), _fact(store, TEMPLATES_READ) if is_of_app(store) else None
    if tried is not None and (read_at is None or tried > read_at):  # the last one was bad
        return _is_older(tried, now, FRESH_FOR if is_stopped else AGAIN_AFTER)
    if read_at is None or _is_older(read_at, now, FRESH_FOR):
        return True
    if is_stopped:
        return False
    wanted = _fact(store, TEMPLATES_WANTED)
    return (wanted is not None and wanted > read_at) or _has_event_since(store, read_at[1])


def _has_event_since(store: AccountStore, read_at: datetime) -> bool:
    with store.read() as db:
        found = db.execute("select 1 from template_events where at >= ? limit 1", [read_at.isoformat()]).fetchone()
    return found is not None


def is_of_app(store: AccountStore) -> bool:
    """Say whether the list that was read last is that of the app which the account has now."""
    if not store.exists:
        return True
    with store.read() as db:
        row = db.execute("select value from facts where name = ?", [TEMPLATES_APP]).fetchone()
    return row is None or row["value"] == store.account.app_id


def take_as_it_is(store: AccountStore, now: datetime) -> None:
    """Have the next list of templates taken though it has none of those that are known; until then nothing is sent.

    The next sync asks for it, however lately one was turned down: a person waits for it.
    """
    with store.write() as db:
        db.execute("delete from facts where name = ?", [TEMPLATES_TRIED])
        db.execute("insert or replace into facts values (?, '', ?)", [TEMPLATES_APP, now.isoformat()])


def _store_templates(store: AccountStore, found: Sequence[Template], now: datetime, *, of_app: bool) -> None:
    with store.write() as db:
        known = {row[0] for row in db.execute("select template_id from templates where gone = 0")}
        if of_app and known and not known & {one.id for one in found}:
            raise BadAnswer(FOREIGN, system=GUPSHUP)
        db.execute("update templates set gone = 1, read_at = ?", [now.isoformat()])
        for one in found:
            db.execute(
                """insert or replace into templates (template_id, name, status, category, language, type, data, header,
                       footer, buttons, read_at, gone) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)""",
                [
                    one.id, one.name, one.status, one.category, one.language, one.type, one.data, one.header,
                    one.footer, json.dumps([dict(button) for button in one.buttons], ensure_ascii=False),
                    now.isoformat(),
                ],
            )  # fmt: skip
        _set_fact(db, TEMPLATES_READ, now)
        db.execute(
            "insert or replace into facts values (?, ?, ?)", [TEMPLATES_APP, store.account.app_id, now.isoformat()]
        )


def _read_users(session: NoticesSession, account: GupshupAccount) -> None:
    """Read who has opted in at Gupshup, at most hourly; an account without such a list has none (5.9)."""
    store, now = session.store(account), session.run.now()
    read_at = _fact(store, USERS_READ)
    if read_at is not None and not _is_older(read_at, now, USERS_FRESH_FOR):
        return
    _remember(store, USERS_READ, now)
    try:
        found = session.sender(account).users()
    except BadSettings:
        return
    except PipelineError as error:
        session.report.parts.setdefault(account.id, error)
        return
    if consents.from_list(store, {one.phone: one.state == OPT_IN for one in found}, now):
        copying.copy(session, account)


Fact = tuple[float, datetime]
"""When something was, by the machine's clock and by VS_ST_NOW."""


def _is_older(since: Fact, now: datetime, age: timedelta) -> bool:
    return now - since[1] > age or abs(time.time() - since[0]) > age.total_seconds()


def _fact(store: AccountStore, name: str) -> Fact | None:
    if not store.exists:
        return None
    with store.read() as db:
        row = db.execute("select value, at from facts where name = ?", [name]).fetchone()
    return None if row is None else (float(row[0]), datetime.fromisoformat(row[1]))


def _remember(store: AccountStore, name: str, now: datetime) -> None:
    with store.write() as db:
        _set_fact(db, name, now)


def _set_fact(db: sqlite3.Connection, name: str, now: datetime) -> None:
    db.execute("insert or replace into facts values (?, ?, ?)", [name, repr(time.time()), now.isoformat()])
