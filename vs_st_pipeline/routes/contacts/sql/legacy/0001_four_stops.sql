-- The four stops of one merchant's file. Times are UTC. Only primary keys, no secondary indexes:
-- DuckDB cannot update an indexed column in place.

create schema raw;
create schema staged;
create schema planned;
create schema synced;

-- raw: what a system said, as it said it. Columns beside the body are pointers taken from it.
create table raw.vinoshipper_customers (
    customer_id bigint primary key,
    phone varchar,                       -- ten NANP digits of the list item's primaryPhone, else null
    list_body varchar,                   -- the list item's JSON text, null if never listed
    list_hash varchar,
    listed_at timestamp,                 -- when this list_body was first seen
    missing integer not null default 0,  -- complete lists in a row that did not have it
    detail_body varchar,
    detail_at timestamp,                 -- when the detail was last asked for
    detail_status integer,               -- 200 or 404, null if never asked
    deleted_at timestamp                 -- proved: missing twice, or missing once and 404
);
create table raw.vinoshipper_orders (
    order_number varchar primary key,
    customer_id bigint,                  -- of the search row, else of the detail; null: belongs to nobody
    search_body varchar,
    searched_at timestamp,
    detail_body varchar,
    detail_at timestamp,
    detail_status integer,               -- 200 or 404 (gone), null if never asked
    receipt_url varchar,
    receipt_state varchar,               -- read, none (4xx or no url), unreadable; null: never asked
    receipt_at timestamp
);
create table raw.simpletexting_contacts (
    contact_id varchar primary key,
    body varchar not null,
    body_hash varchar not null,
    read_at timestamp not null,
    read_run varchar not null,           -- the run that read it last; only such contacts are written
    first_source varchar,                -- updateSource before our first write overwrites it
    gone boolean not null default false  -- a later complete read, or a 404, did not have it
);
create table raw.simpletexting_custom_fields (
    label varchar not null,
    merge_tag varchar
);
create table raw.reads (
    what varchar not null,               -- customers, orders, contacts
    run_id varchar not null,
    rows bigint not null,                -- distinct records of this complete read
    finished_at timestamp not null
);

-- staged: one row per customer and one per order, in our words.
create table staged.customers (
    customer_id bigint primary key,
    first_name varchar, last_name varchar, email varchar, phone varchar,
    birth_date date,
    has_detail boolean not null,
    city varchar, state varchar,
    memberships varchar not null,        -- JSON array of {id, club_name, joined, on_hold}
    club_names varchar, club_status varchar,
    source_hash varchar not null         -- of the raw bodies this row was made from
);
create table staged.orders (
    order_number varchar primary key,
    customer_id bigint,
    status varchar, order_status varchar,
    counted boolean not null,
    purchased_at varchar,                -- ISO, UTC; a plain date stays one
    shipped_at varchar, delivered_at varchar, customer_since varchar,
    cart_type varchar, rate_code varchar, rate_description varchar, carrier varchar,
    packages varchar not null,           -- JSON array of {carrier, tracking_number}
    total varchar,                       -- exact, as it came; cast it to sum
    receipt_url varchar,
    receipt_known boolean not null,
    source_hash varchar not null
);
create table staged.unusable (           -- records that could not be staged, and why; never a crash
    kind varchar not null,
    id varchar not null,
    reason varchar not null
);

-- planned: what must change over there, in their words, and who is held back and why.
create table planned.plan (
    run_id varchar not null,
    made_at timestamp not null,
    map_fingerprint varchar not null,
    contacts bigint not null, fields bigint not null, unmatched bigint not null,
    unsafe varchar                       -- the brake's sentence, null if it did not trip
);
create table planned.contacts (
    contact_id varchar primary key,
    phone varchar,
    customer_id bigint,                  -- null: unmatched
    linked_by varchar,
    held varchar,                        -- reason, null if it may be written
    newest_order_at varchar,
    wanted varchar,                      -- JSON object field -> value; null if held or unmatched
    fingerprint varchar                  -- of wanted, live body and field map: equal means settled
);
create table planned.changes (
    contact_id varchar not null,
    position integer not null,           -- of the field in the map
    field varchar not null,
    key varchar not null,                -- how the field is named in a write
    kind varchar not null,
    policy varchar not null,
    old varchar not null,
    new varchar not null
);
create table planned.notes (contact_id varchar not null, note varchar not null);
create table planned.learned (           -- seen while planning, remembered only when a sync pushes
    contact_id varchar not null,
    field varchar not null,
    sent varchar not null,
    stored varchar not null
);

-- synced: what the destination has accepted, value by value.
create table synced.ledger (
    contact_id varchar not null,
    field varchar not null,
    sent varchar not null,
    stored varchar,                      -- what a later read showed; null until then
    before varchar,                      -- what stood there when we wrote
    resent boolean not null default false, -- the same value had been accepted before
    accepted_at timestamp not null,
    run_id varchar not null,
    call varchar not null,               -- update_contact, batch_update, read (found there already)
    primary key (contact_id, field)
);
create table synced.history (            -- append-only
    contact_id varchar not null,
    field varchar not null,
    old varchar,
    new varchar not null,
    written_at timestamp not null,
    run_id varchar not null,
    call varchar not null
);
create table synced.links (
    contact_id varchar primary key,
    customer_id bigint not null,
    linked_by varchar not null,
    newest_order_at varchar,
    linked_at timestamp not null
);
create table synced.rejects (
    contact_id varchar primary key,
    changes_hash varchar not null,       -- of what was wanted; a new wish is tried at once
    code varchar,
    http_status integer,
    attempts integer not null,
    first_at timestamp not null,
    last_at timestamp not null,
    next_at timestamp not null
);
create table synced.settled (contact_id varchar primary key, fingerprint varchar not null);
create table synced.baseline (what varchar primary key, rows bigint not null, counted_at timestamp not null);
