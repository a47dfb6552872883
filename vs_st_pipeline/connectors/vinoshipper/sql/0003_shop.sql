-- A whole shop: its products, and what a route makes of each customer and order.
-- No table has a key or an index: whoever writes a row takes the old one away first, in the same transaction.
create table raw.vinoshipper_feed (
    id varchar not null, body varchar using compression zstd, sha varchar, kept varchar, mapped varchar,
    read_at timestamp not null, changed bigint not null
);
create table raw.vinoshipper_mapped (
    kind varchar not null, id varchar not null,  -- customer, order: as forgetting finds them
    source_hash varchar not null,                -- of the raw bodies that it was made from
    mapped varchar,                              -- JSON by the route's own columns; null: nothing of it is staged
    changed bigint not null                      -- raised by each change that staging must see
);
