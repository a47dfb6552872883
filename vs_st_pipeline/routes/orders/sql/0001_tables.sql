-- What route orders keeps of its own. Times are UTC without zone, by VS_ST_NOW, but where it says "real".
-- order_id: the id at Commerce7. vs_number: the number at Vinoshipper.

-- What Vinoshipper said of orders that we sent, or looked for: the last whole answer to a read of one.
create table raw.vinoshipper_sent_orders (
    vs_number varchar primary key,
    body varchar using compression zstd,     -- exact JSON; null: reduced, or never read
    body_sha256 varchar,
    read_at timestamp, read_at_real timestamp,
    row_digest varchar,                      -- of the row of the last search that showed it as it is held
    row_at_real timestamp,                   -- when that was; if the detail was read since, both are compared anew
    missing_since timestamp,                 -- first of the reads in a row that answered 404
    missing_reads integer not null default 0,
    tries integer not null default 0,        -- reads in a row that said nothing (R40)
    next_try_at timestamp
);
create table raw.vinoshipper_products (
    sku varchar primary key, name varchar, price varchar,  -- dollars, exact
    read_at timestamp not null
);
-- When each shop's catalogue was read last and believed; way: products, feed, none. One row per system.
-- read_at: null: never believed. tried_at: when it was asked for last, believed or not.
create table raw.catalogues (
    system varchar primary key, read_at timestamp, read_at_real timestamp, products integer not null,
    way varchar not null, tried_at timestamp not null, tried_at_real timestamp not null
);
-- Orders at Vinoshipper that are hinted at and not read yet.
create table raw.vinoshipper_order_hints (vs_number varchar primary key, "at" timestamp not null, event varchar);

create table staged.shop_orders (
    order_id varchar primary key,
    order_number varchar not null,
    paid_at timestamp not null, created_at timestamp, updated_at timestamp,
    first_seen_at timestamp not null,
    before_start boolean not null default false,  -- only id and number are kept
    customer_id varchar, previous_id varchar,
    purchase_type varchar, delivery_method varchar, payment_status varchar, state_code varchar,
    linked varchar not null default '[]',    -- JSON array of ids
    body_sha256 varchar not null,            -- of the raw body that this row was made from
    content_hash varchar not null,           -- of all that the rules and the payload read (4.2, "Content")
    sent_hash varchar not null,              -- of what section 5 reads, without customer and billTo (6.5)
    erased boolean not null default false    -- its person was forgotten
);
-- What Vinoshipper shows of our orders, one row per number.
create table staged.shipments (
    vs_number varchar primary key, order_id varchar not null,
    status varchar, order_status varchar, compliance varchar not null,
    problems varchar not null,               -- JSON array of {code, description, type}
    packages varchar not null,               -- JSON array of {carrier, tracking_number}
    total varchar, state varchar, zip5 varchar, ship_date varchar, quantities varchar,
    age_verified boolean,
    purchased_at timestamp, shipped_at timestamp, delivered_at timestamp, canceled_at timestamp,
    trace_id varchar, read_at timestamp not null
);

-- Orders that are to be judged because something of them, or of an order linked to them, is new since (4.2).
create table planned.orders_due (order_id varchar primary key);
-- What this sync would send, before send_at_most and before any write; and what it would write at Commerce7.
create table planned.vinoshipper_orders (
    order_id varchar primary key, vs_number varchar not null, action varchar not null,  -- create, update
    body_hash varchar not null, lines varchar not null, total varchar, run_id varchar not null, planned_at timestamp not null
);
create table planned.commerce7_orders (
    order_id varchar not null, action varchar not null,  -- fulfil, message
    says varchar not null,                   -- JSON, without anybody's data
    run_id varchar not null, planned_at timestamp not null,
    primary key (order_id, action)
);

-- How each order stands: the ledger. A row moves in one transaction with the answer, and with its activity.
create table synced.orders (
    order_id varchar primary key,
    order_number varchar not null,
    vs_number varchar,                       -- kept at the first try, and never another for this order
    state varchar not null,                  -- waiting, sending, sent, failed, not_required, voided
    code varchar,
    says varchar,                            -- what the code's sentence names: SKUs, a carrier; JSON, nobody's data
    compliance varchar not null default 'not_checked',
    compliance_at timestamp, trace_id varchar,
    problems varchar not null default '[]',  -- JSON array, as they came
    stage varchar, stage_at timestamp,
    shipped_seen_at timestamp,               -- when SHIPPED was first seen
    paid_at timestamp not null, first_seen_at timestamp not null,
    looked_there boolean not null default false,  -- the read of `+` (4.1) was made
    looked_back boolean not null default false,   -- "Don't Send" was read back from Commerce7
    judged_content varchar,                  -- content_hash of the last judgement; null: to be judged, whatever its state
    judged_by varchar,                       -- what else that judgement rests on: settings, catalogue, day
    sending_since timestamp,                 -- first try that was not settled
    next_read_at timestamp, reads integer not null default 0,  -- of what waits for a read: gaps of 4.2
    sent_at timestamp, sent varchar,         -- JSON: lines, money, rate, ship date, state, ZIP; nobody's data
    sent_hash varchar,                       -- of the read that was sent (6.5)
    told_changes varchar,                    -- sent_hash of the change that was last told
    voided_at timestamp,
    updated_at timestamp not null,
    failed_at timestamp                      -- since when it is failed by the shipper, or kept back: reads end 14 days later
);
create table synced.order_notes (
    order_id varchar not null,               -- '' where it is about no order
    note varchar not null,
    says varchar not null default '',        -- what is noted; nobody's data
    since timestamp not null,
    run_id varchar not null,
    primary key (order_id, note)
);
-- One row per thing that happened, never altered (4.4).
create table synced.order_activity (
    seq bigint primary key,
    order_id varchar not null, "at" timestamp not null, kind varchar not null, text varchar not null, code varchar,
    who varchar not null, run_id varchar not null, http_status integer, trace_id varchar
);
-- Everything that changes something elsewhere: its row is committed before the request leaves (6.1). No body is kept.
create table synced.order_writes (
    send_id varchar primary key,
    system varchar not null, call varchar not null,  -- create, update, cancel, fulfil, message
    order_id varchar not null, vs_number varchar,
    body_hash varchar not null,
    about varchar not null default '{}',     -- JSON: of a fulfilment its numbers and date, of a message its first line
    sent_hash varchar, sent varchar,         -- as in synced.orders, of the read that is sent
    "at" timestamp not null, run_id varchar not null,
    outcome varchar,                         -- null: unknown. done, refused, conflict, not_reached, adopted, missing
    outcome_at timestamp, http_status integer, trace_id varchar,
    reads integer not null default 0,        -- since the try, that did not show it; one a sync
    read_run varchar,                        -- run of the last of them
    missing boolean not null default false,  -- three such reads, the third settle_wait or more after the try
    shown integer not null default 0,        -- reads since an update that showed the order unaccepted; one a sync
    seq bigint not null default 0            -- their order
);
-- What was written of each order's fulfilment. One accepted POST per order at most, so one mail.
create table synced.fulfilments (
    order_id varchar primary key,
    outcome varchar not null,                -- done, found_there, fulfilled_by_other, refused
    fulfillment_id varchar, mailed boolean, numbers varchar not null default '[]', fulfilled_at timestamp,
    written_at timestamp, attempts integer not null default 0, next_at timestamp, removed boolean not null default false,
    packages varchar,                        -- of staged.shipments, as they were then: numbers that change later are told
    after_change bigint not null default 0   -- the last change at the shop before it: later ones show whether it stands
);
-- What was last told to Commerce7 of each order.
create table synced.order_messages (
    order_id varchar primary key,
    said varchar not null,                   -- what decides whether there is news: state, code, stage, notes; JSON
    first_line varchar not null, status varchar not null, told_at timestamp not null, attempts integer not null default 0,
    next_at timestamp, refused boolean not null default false
);
-- What is remembered of the merchant besides: dropped_keys, prefix, no_messages, alerted notes that were told. JSON.
create table synced.order_facts (name varchar primary key, value varchar not null, "at" timestamp not null);
