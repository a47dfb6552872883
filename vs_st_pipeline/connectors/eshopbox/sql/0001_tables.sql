-- What Eshopbox said. Times are UTC without zone, by VS_ST_NOW, but where it says "real". An order is named by its
-- customerOrderNumber, as `id` in its own table and as `parcel_id` everywhere else.
create table raw.eshopbox_orders (           -- platform/kept_records.py
    id varchar not null,
    body varchar using compression zstd,     -- as it is believed; null: reduced
    sha varchar, kept varchar, mapped varchar,  -- mapped: always null
    read_at timestamp not null, changed bigint not null
);
create table raw.eshopbox_known (            -- every order that was heard of
    parcel_id varchar primary key,
    order_key varchar,                       -- what names it in unit keys: its `id`, else its number; stays; null: not read
    first_seen_at timestamp not null,
    absent_at timestamp,                     -- begin of the last list read to its end that would have shown it and did not
    placed_at timestamp,                     -- orderDate
    row_sha varchar,                         -- of its row in the list, as last seen
    wanted_at timestamp, wanted_by varchar,  -- to be read: new, changed, hook, asked, reconcile; null: not
    is_open boolean not null default true,   -- something of it may still come (the route says so)
    read_at timestamp, read_real double,     -- of the last good read; real: epoch seconds of the machine's clock
    shown_at timestamp,                      -- of the last one that showed where all of its parcels were
    gone_at timestamp,                       -- first 404 in a row
    next_look_at timestamp,                  -- its last answer lacked something (routes.md R23)
    changed bigint not null default 0        -- raised by each change that staging must see
);
-- What reads showed, once each, in order of arrival: the log that journeys are worked out from. Only ever added to.
create table raw.eshopbox_sightings (
    parcel_id varchar not null, seq bigint not null,
    resource varchar not null,               -- order, shipment, return
    unit varchar not null,                   -- the key that these names alone would give it
    names varchar not null,                  -- JSON array: all that mean it, the best first
    word varchar not null,                   -- the source's, as it came
    own_at timestamp,                        -- its own time of it
    bound timestamp,                         -- without one: an earlier moment at which it was not so yet
    seen_at timestamp not null,
    in_timeline boolean not null
);
create table raw.eshopbox_hooks (
    key varchar primary key,                 -- the inbox's entry, and when it came
    seq bigint not null,                     -- among the sightings
    parcel_id varchar not null,
    resource varchar, word varchar,          -- shipment, return; null: it does not say, or other ones
    shipment_id varchar, tracking_id varchar, return_number varchar, order_id varchar,
    placed_at timestamp,                     -- orderDate
    received_at timestamp not null,
    read_at timestamp,                       -- its order was read after it; null: not yet
    bad varchar                              -- why its word never counts: foreign, order_mismatch
);
-- How far the list was read. name: new, reconcile.
create table raw.eshopbox_passes (
    name varchar primary key,
    began_at timestamp not null,             -- of the last one that came to its end
    began_real double not null,              -- the same by the machine's clock, epoch seconds
    since timestamp not null,                -- orders placed since then were shown
    newest timestamp                         -- newest orderDate that it showed
);
