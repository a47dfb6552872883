"""Holds the tables of the inbox, in SQLite.

No comment has a semicolon: statements are told apart by them. Times are
epoch seconds by the machine's clock, but `at`, which is ISO.
"""

from __future__ import annotations

from typing import Final

_FIRST: Final = """
create table entries (
    entry integer primary key autoincrement,
    merchant text not null,
    system text not null,
    stored_at real not null,
    at text not null,                    -- by VS_ST_NOW where that is set
    times integer not null default 1,    -- how often the same event id came
    event_id text,
    event text,
    kind text not null,
    id text,
    phone text,
    kept text not null,                  -- JSON
    unique (merchant, system, event_id)  -- nulls are all different
);
create index entries_by_age on entries (stored_at, system);
create table hints (
    hint integer primary key autoincrement,
    entry integer not null references entries (entry) on delete cascade,
    merchant text not null,
    route text not null,
    system text not null,
    kind text not null,
    record text not null,                -- id, else phone, else empty
    stored_at real not null,             -- a replay sets it anew
    not_before real not null default 0,  -- it failed, and waits for its next try
    state text not null,
    outcome text,
    error text,                          -- kind of the error that its last try ended with
    run_id text,
    lag real,                            -- seconds from stored to the last ledger commit
    tries integer not null default 0,
    replayed integer not null default 0,
    owner text,                          -- who has claimed it
    lease_until real,                    -- null while a whole sync has it
    settled_at real
);
-- SQLite takes a partial index only for a question that says its condition in the same words.
create index hints_waiting on hints (merchant, route, system, kind, record, stored_at, not_before, state)
    where state = 'waiting';
create index hints_working on hints (lease_until, merchant, route, state) where state = 'working';
create index hints_settled on hints (settled_at, merchant, route, state, outcome, lag) where settled_at is not null;
create index hints_written on hints (route, merchant, settled_at, outcome) where outcome = 'written';
create index hints_expired on hints (merchant, route, settled_at, state) where state = 'expired';
create index hints_of_entry on hints (entry);
create table records (                   -- when a record was read last, for how soon it is read again
    merchant text not null,
    system text not null,
    kind text not null,
    record text not null,
    read_at real not null,
    fruitless integer not null default 0,-- reads in a row that found nothing new
    gone_at real,                        -- an id in no stored list answered 404
    asked_again integer not null default 0,  -- and was asked once more
    route text,                          -- which route is to ask once more
    primary key (merchant, system, kind, record)
) without rowid;
create index records_gone on records (gone_at) where gone_at is not null;
create table gone_reads (merchant text not null, at real not null);
create index gone_reads_by_merchant on gone_reads (merchant, at);
create table buckets (
    merchant text not null, system text not null, requests real not null, at real not null,
    primary key (merchant, system)
) without rowid;
create table rests (                     -- targeted syncs rest until a whole sync ends well
    merchant text not null, route text not null, error text not null, since real not null,
    primary key (merchant, route)
) without rowid;
create table wholes (                    -- whole syncs that hints have made due
    merchant text not null, route text not null, wanted_at real not null,
    met_at real not null default 0,      -- when the last whole sync began that has ended since
    primary key (merchant, route)
) without rowid;
create table yielded (                   -- when a whole sync last ended its reading in turn for a hint
    merchant text not null, route text not null, at real not null,
    primary key (merchant, route)
) without rowid;
create table opt_outs (                  -- contacts that are not to be written, longer than their entries last
    merchant text not null,
    record text not null,                -- contact id, or ten digits of its phone
    stored_at real not null,
    primary key (merchant, record)
) without rowid;
create table beats (                     -- who is alive: receivers, workers
    who text not null, pid integer not null, at real not null,
    primary key (who, pid)
) without rowid;
create table looks (                     -- the opt-in look of each merchant
    merchant text primary key, next_at real not null, since text
) without rowid;
create table looked_at (                 -- contacts as a look or a whole sync saw them
    merchant text not null, contact text not null, updated text not null,
    primary key (merchant, contact)
) without rowid;
create table refusals (merchant text not null, system text not null, at real not null);  -- right URL, wrong header
create index refusals_by_merchant on refusals (merchant, system, at);
create index refusals_by_age on refusals (at, merchant, system);
"""
_TOKENS: Final = """
create table tokens (                    -- a call has come by the token of this generation, so older ones may end
    merchant text not null, system text not null, generation integer not null, first_at real not null,
    primary key (merchant, system, generation)
) without rowid;
"""
_BY_ROUTE: Final = """
drop table records;                      -- it said nothing of which route had read, and lasts an hour at most
create table records (                   -- when a route read a record last, for how soon it reads it again
    merchant text not null,
    route text not null,
    system text not null,
    kind text not null,
    record text not null,
    read_at real not null,
    fruitless integer not null default 0,-- reads in a row that found nothing new
    gone_at real,                        -- an id in no stored list answered 404
    asked_again integer not null default 0,  -- and was asked once more
    primary key (merchant, system, kind, record, route)
) without rowid;
create index records_gone on records (gone_at) where gone_at is not null;
create table written (                   -- a record that one of our routes wrote, so that hints on it are its echo
    merchant text not null,
    system text not null,
    kind text not null,
    record text not null,
    until real not null,                 -- hints wait until then
    said_until real not null,            -- the same by VS_ST_NOW, and whichever comes first counts
    but text not null,                   -- JSON array of events that do not wait
    primary key (merchant, system, kind, record)
) without rowid;
create index written_by_age on written (until);
"""
STEPS: Final = (_FIRST, _TOKENS, _BY_ROUTE)
"""What brings a file forward, by the version that it has then; a file that is there is never made anew."""
