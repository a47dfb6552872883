-- What a say-once route keeps: each thing that is to be said, once, and what became of it.
create schema if not exists once;

-- One row per message, command or event, for good: a key that has a row is not stored a second time.
create table once.outbox (
    key varchar primary key,             -- made of what it is about, never of the attempt
    seq bigint not null,                 -- order of storing, in which an entity's items are sent
    kind varchar not null,
    entity varchar not null,             -- whose later items wait for this one
    body varchar,                        -- the very text that is sent; null once it is settled
    body_hash varchar,
    evidence varchar not null,           -- JSON object: why it may be sent
    people varchar not null,             -- JSON array of [kind, value]: whom it names; [] once they are forgotten
    state varchar not null,              -- waiting, sending, unknown, held, rejected, accepted, dropped
    reason varchar,
    tries integer not null,              -- requests that left, or were about to
    reads integer not null,              -- of an unknown one: reads in a row, since its last try, that did not show it
    refusals integer not null,
    may_be_out boolean not null,         -- a try may have been taken
    forgotten boolean not null,          -- of a person who was forgotten since: no text, and never sent again
    stored_at timestamp not null,
    tried_at timestamp,
    refused_at timestamp,                -- first refusal in a row
    next_at timestamp,                   -- not before; null: at the next sync. Of one that is not tried by itself: null
    settled_at timestamp
);

-- What the destination has accepted; moves with the answer, in one transaction.
create table once.ledger (
    key varchar primary key,
    kind varchar not null,
    entity varchar not null,
    answer varchar not null,             -- JSON object: the destination's own words, such as its message id
    evidence varchar not null,
    people varchar not null,
    settled_by varchar not null,         -- answer, read, receipt, person, evidence (the file, after a loss)
    accepted_at timestamp not null,
    run_id varchar not null
);

-- Append-only: everything that happened to a key.
create table once.history (
    seq bigint not null,
    key varchar not null,
    kind varchar not null,
    entity varchar not null,
    event varchar not null,              -- stored, sending, then a state; found, missing, released
    happened_at timestamp not null,
    code varchar,
    http_status integer,
    trace_id varchar,
    who varchar not null,
    run_id varchar not null
);

-- How far the evidence file has been taken in: which file, and how many of its bytes.
create table once.evidence_read (inode bigint not null, bytes bigint not null);

-- Records to be read before others.
create table once.hints (
    system varchar not null,
    object varchar not null,
    id varchar not null,
    seq bigint not null,                 -- grows with each hint: a read that began before the newest does not settle it
    reason varchar not null,
    hinted_at timestamp not null,
    primary key (system, object, id)
);
create table once.sequences (name varchar primary key, value bigint not null);
-- Entries of the inbox that have become hints: taking one twice does no harm.
create table once.taken (event_key varchar primary key, taken_at timestamp not null);
