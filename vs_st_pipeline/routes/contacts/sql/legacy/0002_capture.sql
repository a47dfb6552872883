-- What is known of how far each way of reading has come, so that a quiet sync costs a handful of requests.

-- Watermarks, rotations and learnt capabilities, as JSON; moved only in the transaction that stores what they promise.
create table raw.marks (name varchar primary key, value varchar not null, marked_at timestamp not null);

-- Records to be read before others: an event, a membership that moved. Taken away when the record was read.
create table raw.hints (
    kind varchar not null,               -- customer, order
    id varchar not null,
    reason varchar not null,
    hinted_at timestamp not null,
    primary key (kind, id)
);

-- One-day slices of the last 90 days, and when each was compared with what is stored.
create table raw.slices (day date primary key, compared_at timestamp not null);

-- Phones of opted-in contacts that no customer was found for, and when the shop was asked for them.
create table raw.lookups (phone varchar primary key, asked_at timestamp not null);

-- What an answer had that nobody told us of: unknown fields, unknown words, wrong types. Counted, never a crash.
create table raw.drift (
    system varchar not null,
    what varchar not null,               -- such as `order.status: ON_A_BOAT`; names and words only, never a value of a person
    seen bigint not null,
    first_at timestamp not null,
    last_at timestamp not null,
    primary key (system, what)
);

-- What a list or search shows has changed since the detail was read, so the detail is to be read again.
alter table raw.vinoshipper_customers add column detail_wanted boolean default true;
alter table raw.vinoshipper_orders add column detail_wanted boolean default true;
-- The run in which an opted-in contact came to stand for this customer; null: none does. A newly linked customer is
-- read at once, because nothing of theirs was read again while no contact needed it.
alter table raw.vinoshipper_customers add column linked_run varchar;
-- The detail was read after the last list walk, so its memberships are newer than the list item's.
alter table raw.vinoshipper_customers add column detail_leads boolean default false;
alter table raw.vinoshipper_orders add column purchased_on date;      -- of the search row, Pacific; null if it tells none
alter table raw.vinoshipper_orders add column settled_at timestamp;   -- null: open; else since when nothing more is expected

-- A search row did not say whose order it is (the key was not there at all): the detail tells.
alter table raw.vinoshipper_orders add column owner_unknown boolean default false;

-- The complete reads that the brake judged: only these become what the next sync is measured by.
alter table planned.plan add column customers_rows bigint;
alter table planned.plan add column contacts_rows bigint;

-- Contacts that a write of ours met in place of the one we know, and may have made: not written until they show a
-- sign of their own.
create table synced.doubted (contact_id varchar primary key, why varchar not null, met_at timestamp not null);
