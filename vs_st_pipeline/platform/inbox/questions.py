"""Lists hints as `vs-st inbox` shows them, and answers what `vs-st check` asks of a system's calls; phones masked.

Nothing here writes. Nothing of an entry is shown that H12 does not let be stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.domain.hints import TEST, HintState
from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.platform.inbox.store import Inbox

_COLUMNS: Final = (
    *("entry", "merchant", "route", "system", "stored_at", "times", "replayed", "event_id", "event", "kind", "id"),
    *("state", "outcome", "run_id", "lag_seconds", "error"),
)
_SELECT: Final = """select e.entry, h.merchant, h.route, h.system, e.stored_at, e.times, h.replayed,
       coalesce(json_extract(e.kept, '$.event_id'), e.event_id), e.event, h.kind, e.id, h.state,
       h.outcome, h.run_id, h.lag, h.error, e.phone
from hints as h join entries as e using (entry)"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which hints are meant.

    Attributes:
        merchants, routes: only theirs; empty: all.
        state: only in this one. since: entries stored since then, epoch seconds.
    """

    merchants: Sequence[str] = ()
    routes: Sequence[str] = ()
    state: HintState | None = None
    since: float | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition in SQL, and its values."""
        wheres, values = ["true"], list[Any]()
        for column, chosen in (("merchant", self.merchants), ("route", self.routes)):
            if chosen:
                wheres.append(f"h.{column} in ({', '.join('?' * len(chosen))})")
                values += chosen
        if self.state is not None:
            wheres.append("h.state = ?")
            values.append(self.state)
        if self.since is not None:
            wheres.append("e.stored_at >= ?")
            values.append(self.since)
        return " and ".join(wheres), values


def listing(inbox: Inbox, chosen: Filter, limit: int) -> dict[str, Any]:
    """Return the hints of a filter as `vs-st inbox --json` prints them: counts of all that fit, the newest first."""
    where, values = chosen.where()
    counts = dict(
        inbox.ask(f"select h.state, count(*) from hints as h join entries as e using (entry) where {where} group by 1",
                  values)
    )  # fmt: skip
    oldest = inbox.ask(
        f"""select min(h.stored_at) from hints as h join entries as e using (entry)
            where {where} and h.state = 'waiting'""",
        values,
    )
    since = oldest[0][0] if oldest else None
    rows = inbox.ask(f"{_SELECT} where {where} order by h.hint desc limit ?", [*values, limit])
    return {
        "counts": {state.value: counts.get(state.value, 0) for state in HintState},
        "oldest_waiting_seconds": None if since is None else round(max(0.0, inbox.clock() - since), 1),
        "entries": [_as_json(row) for row in rows],
    }


def entry(inbox: Inbox, number: int) -> dict[str, Any] | None:
    """Return one entry with what is kept of the call, and all of its hints; None where there is none.

    What its first hint shows is there beside them, as in a list: few entries have more than one.
    """
    rows = inbox.ask("select merchant, system, stored_at, at, times, kind, kept from entries where entry = ?", [number])
    if not rows:
        return None
    merchant, system, stored_at, at, times, kind, kept = rows[0]
    hints = [_as_json(row) for row in inbox.ask(f"{_SELECT} where h.entry = ? order by h.hint", [number])]
    return {
        **(hints[0] if hints else {}),
        "entry": number,
        "merchant": merchant,
        "system": system,
        "stored_at": _iso(stored_at),
        "at": at,
        "times": times,
        "kind": kind,
        "kept": {key: _shown(key, value) for key, value in json.loads(kept).items()},
        "hints": hints,
    }


def failed_of(inbox: Inbox, entries: Collection[int]) -> set[tuple[int, str]]:
    """Return which waiting hints of entries had a try that failed, by entry and route."""
    rows = inbox.ask(
        """select entry, route from hints where state = 'waiting' and error is not null
           and entry in (select value from json_each(?))""",
        [json.dumps(sorted(entries))],
    )
    return {(entry, route) for entry, route in rows}


def waiting_of(inbox: Inbox, entries: Collection[int]) -> dict[tuple[int, str], tuple[str, ...]]:
    """Return what the waiting hints of entries are about, by entry and route: merchant, route, system, kind, record."""
    rows = inbox.ask(
        """select entry, merchant, route, system, kind, record from hints
           where state = 'waiting' and entry in (select value from json_each(?))""",
        [json.dumps(sorted(entries))],
    )
    return {(entry, key[1]): tuple(key) for entry, *key in rows}


def entries_of(inbox: Inbox, merchants: Sequence[str], since: float) -> list[int]:
    """Return the numbers of the entries of merchants that were stored since then."""
    where = f"merchant in ({', '.join('?' * len(merchants))}) and stored_at >= ?"
    return [row[0] for row in inbox.ask(f"select entry from entries where {where} order by entry", [*merchants, since])]


def has_entries(inbox: Inbox, merchant: str) -> bool:
    """Say whether anything is kept of a merchant."""
    return bool(inbox.ask("select 1 from entries where merchant = ? limit 1", [merchant]))


def is_proved(inbox: Inbox, merchant: str, system: str, generation: int) -> bool:
    """Say whether a call that was no test of ours has come by the token of this generation, as far as that is known."""
    if (merchant, system, generation) in inbox.proved_tokens():
        return True
    if generation > 1:  # an older token may have been taken
        return False
    rows = inbox.ask(
        "select 1 from entries where merchant = ? and system = ? and kind <> ? limit 1", [merchant, system, TEST]
    )
    return bool(rows)


def last_entry(inbox: Inbox, merchant: str, system: str) -> float | None:
    """Return when a call of a system was stored last for a merchant, of those that are kept (routes.md R65)."""
    rows = inbox.ask("select max(stored_at) from entries where merchant = ? and system = ?", [merchant, system])
    return rows[0][0] if rows else None


def refusals(inbox: Inbox, merchant: str, system: str, within: float = 86_400.0) -> int:
    """Count a system's calls in the last seconds that had a right URL and a wrong header or signature (R65, R10)."""
    rows = inbox.ask(
        "select count(*) from refusals where merchant = ? and system = ? and at >= ?",
        [merchant, system, inbox.clock() - within],
    )
    return int(rows[0][0]) if rows else 0


def _as_json(row: Sequence[Any]) -> dict[str, Any]:
    *columns, phone = row
    told = dict(zip(_COLUMNS, columns, strict=True))
    told["stored_at"] = _iso(told["stored_at"])
    told["id"] = mask_phone(phone) if told["id"] is None and phone else told["id"]
    told["lag_seconds"] = None if told["lag_seconds"] is None else round(told["lag_seconds"], 1)
    return told


def _shown(key: str, value: Any) -> Any:
    return mask_phone(value) if isinstance(value, str) and "phone" in key.lower() else value


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
