"""Holds the tables of an account's file, in SQLite. Times are ISO, UTC without zone, by VS_ST_NOW, but `real` ones.

`seq` and `changed` are numbers of one counter, so that a merchant's copy asks for what is greater than its own. No
comment has a semicolon: statements are told apart by them.
"""

from __future__ import annotations

from typing import Final

_FIRST: Final = """
create table about (name text primary key, value text not null);  -- salt, file (a number that tells it from another)
create table counter (seq integer not null);  -- the newest change, of whatever table
insert into counter values (0);
create table claims (
    notice_id text primary key,
    kind text not null,                  -- words.MessageKind
    merchant text not null,
    phone_hash text not null,            -- salted
    exempt integer not null default 0,   -- is held by no cap (5.16)
    state text not null,                 -- claim.Claimed
    tries integer not null,
    claimed_at text not null,            -- of the newest try
    real real not null, pid integer not null,  -- the same by the machine's clock, and who (7.1: 90 s, a dead process)
    accepted_at text, message_id text, wa_id text,
    unit_key text, status text, occurrence integer, merchant_order text, order_number text, reply_id text,
    template_id text, category text, form text,  -- form: what filled the placeholders, by settings
    buttons text,                        -- JSON array {action, title}, as the template had them then (rulings 5)
    code text, reason text,
    evidence text,                       -- answer, receipt, reply, phone_window, person
    retries integer not null default 0, retry_at text,
    changed integer not null             -- counter
);
create index claims_by_merchant on claims (merchant, changed);
create index claims_by_phone on claims (phone_hash, claimed_at);
create index claims_by_time on claims (claimed_at, phone_hash);
create index claims_open on claims (state) where state in ('open', 'unknown');
create table message_ids (id text primary key, notice_id text not null);  -- Gupshup's, of each try
create table wa_ids (id text primary key, notice_id text not null);       -- WhatsApp's, as receipts teach them
create table consents (                  -- append-only, of all merchants of the account
    seq integer primary key, phone text, phone_hash text not null,  -- phone null: forgotten
    source text not null, state text not null, at text not null, merchant text,
    merchant_order text not null default '',
    evidence text not null, unique (phone_hash, source, at, state, merchant_order)
);
create index consents_by_phone on consents (phone_hash, at);
create table receipts (
    seq integer primary key, key text not null unique,  -- of 3.4: a second one says nothing
    id text not null, gs_id text, type text not null, at text not null, taken_at text not null,
    destination text, phone_hash text, code text, reason text, wa_id text,
    notice_id text, merchant text, matched_by text  -- matched_by `foreign`: no message of ours, and none expected
);
create index receipts_unmatched on receipts (taken_at) where notice_id is null;
create index receipts_of_notice on receipts (notice_id);
create index receipts_by_merchant on receipts (merchant, seq);
create table replies (
    seq integer primary key, message_id text not null unique,
    phone text, phone_hash text not null, kind text not null, text text, button_text text, postback text,
    context_gs_id text, context_id text, at text not null, taken_at text not null,
    notice_id text, merchant text, matched_by text, outcome text, action_id text
);
create index replies_by_merchant on replies (merchant, seq);
create index replies_of_notice on replies (notice_id);
create table templates (
    template_id text primary key, name text, status text, category text, language text, type text, data text,
    header text, footer text, buttons text, read_at text not null, gone integer not null default 0
);
create table template_events (
    seq integer primary key, template_id text, status text, at text not null, unique (template_id, status, at)
);
create table template_faults (           -- refused by a code of a message (7.4)
    template_id text not null, form text not null default '', state text not null,  -- refused, paused, disabled
    since text not null, data text, status text, code text, primary key (template_id, form)
);
create table billing (
    seq integer primary key, key text not null unique, gs_id text, type text, detail text not null, at text not null
);
create table billed (                    -- lines of months that are final (7.7)
    month text not null, notice_id text not null, merchant text not null, of_month text not null,
    bucket text not null, was text, amount text not null, currency text, detail text not null,
    primary key (month, notice_id)
);
create index billed_by_merchant on billed (merchant, month);
create table pauses (                    -- stopped, paused, half_rate, rejected, of all or of one merchant
    name text not null, merchant text not null default '', since text not null,
    until text, real_until real,         -- real: of a Retry-After, by the machine's clock
    kind text, why text, steps integer not null default 0, primary key (name, merchant)
);
create table facts (name text primary key, value text not null, at text not null);  -- first callback, list read at...
"""
_OCCURRED: Final = """
alter table claims add column occurred_at text;  -- when what it tells of occurred: not before, not after (3.8)
alter table claims add column occurred_to text;
alter table consents add column number text;     -- to which number of the account, null: not known (5.9)
"""
STEPS: Final = (_FIRST, _OCCURRED)
