-- What every file has, whatever its route: what is known of reading, the plan, and what was accepted. Times are UTC.
-- Records are named (system, object, id). Only primary keys, no secondary indexes: DuckDB cannot update an indexed
-- column in place.
--
-- This lineage begins at 13: until 12 one lineage made all tables of all systems, and a program of that time must see
-- that the file is newer than itself. `if not exists`: in a file of that time what stayed the same stays in its place.

create schema if not exists raw;
create schema if not exists staged;
create schema if not exists planned;
create schema if not exists synced;

-- raw: what a system said. The bodies are in the connectors' own tables; this is what is known of the reading.
create table if not exists raw.reads (
    what varchar not null,               -- customers, orders, contacts
    run_id varchar not null,
    rows bigint not null,                -- distinct records of this complete read
    finished_at timestamp not null
);
-- Watermarks, rotations and learned capabilities, as JSON; moved only in the transaction that stores what they promise.
create table if not exists raw.marks (name varchar primary key, value varchar not null, marked_at timestamp not null);
-- Records to be read before others: an event, a membership that moved. Taken away when the record was read.
create table if not exists raw.hints (
    kind varchar not null,               -- customer, order
    id varchar not null,
    reason varchar not null,
    hinted_at timestamp not null,
    primary key (kind, id)
);
-- What an answer had that nobody told us of: unknown fields, unknown words, wrong types. Counted, never a crash.
create table if not exists raw.drift (
    system varchar not null,
    what varchar not null,               -- `order.status: ON_A_BOAT`; names and words only, never a person's value
    seen bigint not null,
    first_at timestamp not null,
    last_at timestamp not null,
    primary key (system, what)
);
-- What this merchant's accounts do not let us see, and since when; the words are in the code.
create table if not exists raw.blind_spots (name varchar primary key, since timestamp not null);
-- Days of which a search shows less than there may be: how many orders and rows it showed, when it was last asked,
-- since when that is so, and whether it is told (else the page is only as short as pages are that may be cut).
create table if not exists raw.unseen_windows (
    day date primary key, shown integer not null, lines integer not null, asked_at timestamp not null,
    since timestamp not null, told boolean not null
);
-- Records that could not be read when they were last asked for; tried again with growing gaps.
create table if not exists raw.unreadable (
    kind varchar not null,               -- customer, order, contact
    id varchar not null,
    error varchar not null,              -- kind of the error: try_later, bad_answer, auth
    why varchar not null,                -- its fixed sentence
    http_status integer,
    attempts integer not null,
    first_at timestamp not null,
    last_at timestamp not null,
    next_at timestamp not null,
    primary key (kind, id)
);
-- Forgotten people: salted hashes of what named them, so that no later reading stores them again. A copy lies beside
-- this file (forgotten.json): a file that is lost or damaged brings nobody back.
create table if not exists raw.forgotten (
    hash varchar primary key,            -- BLAKE2b of `phone 7075550142`, `customer 700101`, ... under the salt
    salt varchar not null,               -- random, one per file as a rule
    kept_on date not null
);

-- staged: records in our words, in the tables of whoever tells of them.
create table if not exists staged.unusable ( -- records that could not be staged, and why; never a crash
    kind varchar not null,
    id varchar not null,
    reason varchar not null
);

-- planned: what must change over there, in their words, and who is held back and why. A target is a record that we
-- write to, its subject the record that it stands for.
create table if not exists planned.plan (
    run_id varchar not null,
    made_at timestamp not null,
    map_fingerprint varchar not null,
    targets bigint not null,             -- with something to write
    fields bigint not null,
    unmatched bigint not null,
    unsafe varchar,                      -- the brake's sentence, null if it did not trip
    reads varchar not null               -- JSON: the complete reads by which the next sync is measured
);
create table if not exists planned.targets (
    system varchar not null, object varchar not null, id varchar not null,
    phone varchar,                       -- what people know it by
    subject_system varchar, subject_object varchar, subject_id varchar, -- null: unmatched
    linked_by varchar,
    held varchar,                        -- reason, null if it may be written
    subject_at varchar,                  -- how new what is known of the subject is: with newer news a loss may be right
    evidence varchar,                    -- JSON: what else a write rests on
    wanted varchar,                      -- JSON; null if held or unmatched
    fingerprint varchar,                 -- of wanted, live body and field map: equal means settled
    compared varchar,                    -- the body compared, if the planning run had read it itself
    primary key (system, object, id)
);
create table if not exists planned.changes (
    system varchar not null, object varchar not null, id varchar not null,
    position integer not null,           -- of the field in the map
    field varchar not null,
    key varchar not null,                -- how the field is named in a write
    kind varchar not null,
    policy varchar not null,
    old varchar not null,
    new varchar not null,
    rule varchar,                        -- source, form, policy, map and line
    sources varchar                      -- the records it was made from: `customer 700101, order 9000`
);
create table if not exists planned.notes (
    system varchar not null, object varchar not null, id varchar not null, note varchar not null
);
create table if not exists planned.learned ( -- seen while planning, remembered only when a sync pushes
    system varchar not null, object varchar not null, id varchar not null,
    field varchar not null,
    sent varchar not null,
    stored varchar not null
);

-- synced: what the destination has accepted, value by value.
create table if not exists synced.ledger (
    system varchar not null, object varchar not null, id varchar not null,
    field varchar not null,
    sent varchar not null,
    stored varchar,                      -- what a later read showed; null until then
    before varchar,                      -- what stood there when we wrote
    resent boolean not null default false, -- the same value had been sent before, and no read showed what became of it
    put_back boolean not null default false, -- the same value had been read there before, and something else took its place
    accepted_at timestamp not null,
    run_id varchar not null,
    call varchar not null,               -- that wrote it; `read`: found there already
    primary key (system, object, id, field)
);
-- Append-only. It says why as well, and holds all that moves the ledger, so that the ledger can be made again from it.
create table if not exists synced.history (
    seq bigint not null,
    system varchar not null, object varchar not null, id varchar not null,
    field varchar not null,
    event varchar not null,              -- accepted; found (stood there already); stored (what they made of it)
    old varchar,
    new varchar not null,
    stored varchar,                      -- what stands there, of found and stored
    written_at timestamp not null,
    run_id varchar not null,
    call varchar not null,
    rule varchar,
    sources varchar,
    send_id varchar
);
-- The outbox: nothing is sent that was not stored before, so after a crash it is known what may have been written, and
-- to whom. One row per target and request. Rows without an outcome are open.
create table if not exists synced.writes (
    send_id varchar not null,            -- one request; it may have many targets
    system varchar not null, object varchar not null, id varchar not null,
    run_id varchar not null,
    call varchar not null,
    phone varchar,                       -- it was sent under; null once settled, or a day later if it may come still
    changes varchar,                     -- JSON; null like the phone; what was accepted is in the history
    evidence varchar not null,           -- JSON: on what it was sent (consent as read, when), what was heard of it
    sent_at timestamp not null,
    outcome varchar,                     -- accepted, rejected, gone, another contact, not applied; null: not known yet
    settled_at timestamp
);
create table if not exists synced.links (
    system varchar not null, object varchar not null, id varchar not null,
    subject_system varchar not null, subject_object varchar not null, subject_id varchar not null,
    linked_by varchar not null,
    subject_at varchar,
    linked_at timestamp not null,
    primary key (system, object, id)
);
create table if not exists synced.rejects (
    system varchar not null, object varchar not null, id varchar not null,
    changes_hash varchar not null,       -- of what was wanted; a new wish is tried at once
    code varchar,
    http_status integer,
    attempts integer not null,
    first_at timestamp not null,
    last_at timestamp not null,
    next_at timestamp not null,
    primary key (system, object, id)
);
create table if not exists synced.settled (
    system varchar not null, object varchar not null, id varchar not null, fingerprint varchar not null,
    primary key (system, object, id)
);
create table if not exists synced.baseline (
    what varchar primary key, rows bigint not null, counted_at timestamp not null
);
-- The brake was passed by name.
create table if not exists synced.allowed (
    run_id varchar not null, allowed_by varchar not null, allowed_at timestamp not null, refused varchar not null
);
-- Records that a write of ours met in place of the one we know, and may have made: not written until they show a sign
-- of their own.
create table if not exists synced.doubted (
    system varchar not null, object varchar not null, id varchar not null,
    why varchar not null, met_at timestamp not null,
    primary key (system, object, id)
);
-- Targets whose write failed as a whole after all its tries (not refused: a block, a 5xx, no answer). One of them may
-- be why: in the next sync they go apart from the others, and in ever smaller parts (cases C20).
create table if not exists synced.suspects (
    system varchar not null, object varchar not null, id varchar not null,
    first_at timestamp not null, last_at timestamp not null,
    primary key (system, object, id)
);
