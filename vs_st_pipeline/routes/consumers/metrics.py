"""Measures what the checks of this route check, from its own tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state

FIRST_SYNC = "first_sync"
"""The state that says when this route was first synced for a merchant: from then on silence counts."""

UNUSABLE_EVENTS = "select count(*) from entries where merchant = ? and system = ? and kind = 'whole'"
LAST_ENTRY = "select at from entries where merchant = ? and system = ? order by entry desc limit 1"
UNLISTED = "select consent_id, data_handler, count(*) from staged.consents where entry = ? group by 1, 2 order by 1, 2"


def unusable_events(run: Run, db: Db) -> Metric:
    """Measure calls that named no order: they are kept as size and hash, and nothing can be made of them."""
    if run.inbox is None:
        return Metric(0, 0, "no webhook has come yet")
    [(count,)] = run.inbox.ask(UNUSABLE_EVENTS, [run.merchant.id, SOPOST])
    events = int(db.value("select count(*) from raw.sopost_events"))
    return Metric(int(count), events + int(count))


def unreadable_orders(run: Run, db: Db) -> Metric:
    """Measure orders whose last try gave no order: by why, how many, and how many were given up."""
    rows = db.rows(
        """select case when gave_up then 'gave_up' else last_try end as why, count(*) from raw.sopost_orders
           where last_try in ('not_found', 'not_visible', 'unreadable') group by 1 order by 1"""
    )
    of = int(db.value("select count(*) from raw.sopost_orders where last_try is not null"))
    some = db.rows(
        """select id from raw.sopost_orders where last_try in ('not_found', 'not_visible', 'unreadable')
           order by id limit ?""",
        [SAMPLED],
    )
    told = ", ".join(f"{why} {count}" for why, count in rows)
    return Metric(sum(row[1] for row in rows), of, told, ", ".join(f"order {row[0]}" for row in some))


def unknown_statuses(run: Run, db: Db) -> Metric:
    """Measure orders with a status that the settings do not list and that were never seen approved."""
    rows = db.rows("select status, count(*) from staged.sopost_orders where class = 'later' and not counts group by 1")
    of = int(db.value("select count(*) from staged.sopost_orders"))
    return Metric(sum(row[1] for row in rows), of, ", ".join(f"{word} {count}" for word, count in sorted(rows)))


def unlisted_consents(entry: str) -> Callable[[Run, Db], Metric]:
    """Measure consents that the settings do not know, or not for this data handler."""

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(UNLISTED, [entry])
        of = int(db.value("select count(*) from staged.consents"))
        return Metric(sum(row[2] for row in rows), of, " | ".join(f"{row[0]} for {row[1]}: {row[2]}" for row in rows))

    return find


def noted(crm: str, words: Sequence[str]) -> Callable[[Run, Db], Metric]:
    """Measure planned consumers with one of these notes."""

    def find(run: Run, db: Db) -> Metric:
        table = f"planned.{crm}_consumers"
        counts = {
            word: int(db.value(f"select count(*) from {table} where json_contains(noted, ?)", [f'"{word}"']))
            for word in words
        }
        of = int(db.value(f"select count(*) from {table}"))
        return Metric(max(counts.values()), of, ", ".join(f"{word} {count}" for word, count in counts.items() if count))

    return find


def missing_targets(crm: str) -> Callable[[Run, Db], Metric]:
    """Measure subscriptions that wait because there is nothing of that name to subscribe to."""

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(
            """select target, count(*) from synced.subscription_rejects where crm = ? and code = 'no_target'
               group by 1 order by 1""",
            [crm],
        )
        of = int(db.value(f"select count(*) from planned.{crm}_consumers"))
        return Metric(sum(row[1] for row in rows), of, ", ".join(f"{row[0]}: {row[1]} wait" for row in rows))

    return find


def last_event_at(run: Run, db: Db) -> datetime | None:
    """Return when the last event came, taken or not (UTC without zone); None where none ever came."""
    found = [at] if isinstance(at := db.value("select max(received_at) from raw.sopost_events"), datetime) else []
    if run.inbox is not None:
        rows = run.inbox.ask(LAST_ENTRY, [run.merchant.id, SOPOST])
        # The time by VS_ST_NOW: what is compared with it goes by that, too.
        found += [datetime.fromisoformat(row[0]).astimezone(UTC).replace(tzinfo=None) for row in rows]
    return max(found, default=None)


def quiet_for(run: Run, db: Db) -> tuple[bool, str]:
    """Say whether no event came for longer than the merchant thinks usual, and since when."""
    after = run.merchant.section(SoPostSettings).quiet_after
    last = last_event_at(run, db)
    first = get_state(db, FIRST_SYNC)
    since = last or (datetime.fromisoformat(first) if first else None)
    if since is None:
        return False, "not synced yet"
    silence = run.now() - since
    told = "the last event came" if last else "no event came since the first sync"
    return bool(after) and silence > after, f"{told} {humanize(silence)} ago"


def quiet(run: Run, db: Db) -> Metric:
    is_quiet, told = quiet_for(run, db)
    return Metric(int(is_quiet), 1, told)
