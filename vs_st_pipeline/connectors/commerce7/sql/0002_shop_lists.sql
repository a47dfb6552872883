-- A whole shop, as its lists show it: people, addresses, products, carts. Bodies without what is never read.
-- No table has a key or an index: whoever writes a row takes the old one away first, in the same transaction.
--   sha     of the answer as it came; another one: the record is looked at again
--   kept    what the last answer lacked and the one before had (routes.md R23)
--   mapped  JSON: what the route stages of it, by the names of its own columns
--   changed raised by each change that staging must see
create table raw.commerce7_people (
    id varchar not null, shop_customer_id varchar,  -- the same; what names a person is found by this name everywhere
    body varchar using compression zstd, sha varchar, kept varchar, mapped varchar,
    read_at timestamp not null, changed bigint not null
);
create table raw.commerce7_addresses (
    id varchar not null, shop_customer_id varchar,
    body varchar using compression zstd, sha varchar, kept varchar, mapped varchar,
    read_at timestamp not null, changed bigint not null
);
create table raw.commerce7_goods (
    id varchar not null, shop_customer_id varchar,  -- always null
    body varchar using compression zstd, sha varchar, kept varchar, mapped varchar,
    read_at timestamp not null, changed bigint not null
);
create table raw.commerce7_carts (
    id varchar not null, shop_customer_id varchar,  -- null: a guest's
    body varchar using compression zstd, sha varchar, kept varchar, mapped varchar,
    read_at timestamp not null, changed bigint not null
);
-- How far the walk over each list has come. cursor: of the page that is next; null: none is under way.
create table raw.commerce7_walks (
    kind varchar primary key,                -- customers, addresses, products, carts, orders
    began_at timestamp, cursor varchar, pages bigint not null default 0,
    rounds bigint not null default 0,        -- how often this walk has been made, because records moved during it
    blind boolean not null default false,    -- it met a row of which nobody can say whose it is
    done_began_at timestamp, done_at timestamp, done_rows bigint,  -- of the last one that came to its end
    newest timestamp,                        -- of orders: the newest `updatedAt` seen
    unreadable boolean not null default false  -- the list is not there, or of another form
);
-- What the walk that is under way has shown, page by page.
create table raw.commerce7_walked (
    kind varchar not null, place bigint not null, id varchar not null, shop_customer_id varchar,
    body varchar using compression zstd, sha varchar not null, version varchar
);
