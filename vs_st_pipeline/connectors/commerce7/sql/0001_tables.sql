-- What Commerce7 said. Times are UTC without zone, by VS_ST_NOW, but where it says "real".
create table raw.commerce7_orders (
    id varchar primary key,
    order_number varchar not null,
    body varchar using compression zstd,     -- as it is believed, without what is never stored (orders.md 10); null:
                                             -- only the id is kept (before `start`), or it was reduced
    body_sha256 varchar,                     -- `reduced` of a body that was reduced
    kept varchar,                            -- what the last answer lacked and the one before had (routes.md R23)
    paid_at timestamp not null,              -- the paid date of orders.md 4.1
    own_paid_at timestamp,                   -- `orderPaidDate` alone, by which Commerce7 filters
    created_at timestamp, updated_at timestamp,
    previous_id varchar,
    first_seen_at timestamp not null,
    first_seen_by varchar not null,          -- paid, updated, reconcile (so it was found late), hint, linked, gap, person
    read_at timestamp not null, read_at_real timestamp not null,
    whole boolean not null,                  -- the last answer had every key that is read of it, or was a single read
    gone_at timestamp,                       -- first 404
    next_look_at timestamp,                  -- when it is read again, because its last answer lacked something (R23)
    changed bigint not null default 0        -- raised by each change that staging must see
);
create table raw.commerce7_customers (
    id varchar primary key, body varchar using compression zstd, kept varchar, read_at timestamp not null
);
create table raw.commerce7_products (
    sku varchar primary key, product_id varchar, title varchar, cents varchar, read_at timestamp not null
);
-- How far each pass has come. date_form: any, day (a time of day is not understood, or a late find made us careful).
create table raw.commerce7_passes (
    pass varchar primary key,                -- paid, updated, reconcile
    through timestamp,                       -- newest date seen by a pass that was stored whole
    since timestamp,                         -- the `start` from which it was walked
    done_at timestamp, done_at_real timestamp,
    date_form varchar not null default 'any'
);
-- Numbers between the lowest and the highest that were never seen, and when each was looked for.
create table raw.commerce7_gaps (
    order_number varchar primary key, noticed_at timestamp not null, looked_at timestamp, found boolean not null default false
);
-- What is hinted at and not read yet.
create table raw.commerce7_hints (id varchar primary key, "at" timestamp not null, what varchar not null);
