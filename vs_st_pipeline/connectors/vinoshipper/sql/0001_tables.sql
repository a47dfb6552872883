-- What Vinoshipper said, as it said it, and the same in our words. Columns beside a body are pointers taken from it.
-- `if not exists`: in a file from before a connector had a lineage of its own, what is there stays in its place.
create schema if not exists raw;
create schema if not exists staged;

create table if not exists raw.vinoshipper_customers (
    customer_id bigint primary key,
    phone varchar,                       -- ten NANP digits of the list item's primaryPhone, else null
    list_body varchar,                   -- the list item's JSON text, null if never listed
    list_hash varchar,
    listed_at timestamp,                 -- when this list_body was first seen
    missing integer not null default 0,  -- complete lists in a row that did not have it
    detail_body varchar,
    detail_at timestamp,                 -- when the detail was last asked for
    detail_status integer,               -- 200 or 404, null if never asked
    deleted_at timestamp,                -- proved: missing twice, or missing once and 404
    detail_wanted boolean default true,  -- what a list shows has changed since the detail was read
    linked_run varchar,                  -- run in which an opted-in contact came to stand for it; null: none does.
                                         -- A newly linked one is read at once: it was not while none needed it
    detail_leads boolean default false,  -- read after the last list walk: its memberships are the newer ones
    detail_hash varchar,                 -- what stands in a body, in sixteen bytes; set wherever the body is set
    list_kept varchar,                   -- documented keys that the last answer lacked and the one before had:
    detail_kept varchar                  -- place -> {value, since}; null: none (routes.md R23)
);
create table if not exists raw.vinoshipper_orders (
    order_number varchar primary key,
    customer_id bigint,                  -- of the search row, else of the detail; null: belongs to nobody
    search_body varchar,
    searched_at timestamp,
    detail_body varchar,
    detail_at timestamp,
    detail_status integer,               -- 200 or 404 (gone), null if never asked
    receipt_url varchar,
    receipt_state varchar,               -- read, none (4xx or no url), unreadable; null: never asked
    receipt_at timestamp,
    detail_wanted boolean default true,
    purchased_on date,                   -- of the search row, Pacific; null if it tells none
    settled_at timestamp,                -- null: open; else since when nothing more is expected
    owner_unknown boolean default false, -- a search row did not say whose order it is: the detail tells
    detail_hash varchar,
    search_hash varchar,
    detail_kept varchar
);
-- One-day slices of the last 90 days, and when each was compared with what is stored.
create table if not exists raw.slices (day date primary key, compared_at timestamp not null);
-- Phones of opted-in contacts that no customer was found for, and when the shop was asked for them.
create table if not exists raw.lookups (phone varchar primary key, asked_at timestamp not null);
-- Customers met so far by a walk over the customer list that is not at its end: it goes on there, not at the beginning.
create table if not exists raw.walked (customer_id bigint not null);

-- staged: one row per customer and one per order, in our words.
create table if not exists staged.customers (
    customer_id bigint primary key,
    first_name varchar, last_name varchar, email varchar, phone varchar,
    birth_date date,
    has_detail boolean not null,
    city varchar, state varchar,
    memberships varchar not null,        -- JSON array of {id, club_name, joined, on_hold}
    club_names varchar, club_status varchar,
    source_hash varchar not null,        -- of the raw bodies this row was made from
    unread varchar,                      -- given and not understood, by our names: ["birth_date"]; null: nothing
    birth_year integer                   -- told without a day and a month
);
create table if not exists staged.orders (
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
    source_hash varchar not null,
    unread varchar,
    birth_date date,                     -- of the customer, copied into the order: counts where their own is not known
    birth_year integer
);
