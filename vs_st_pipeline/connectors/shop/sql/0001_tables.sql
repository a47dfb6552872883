-- What the generic shop left: which drops were taken, and its posts until they are applied. Times are UTC.
create table raw.shop_drops (
    name varchar not null, table_name varchar not null,  -- one row per table that counted
    complete boolean not null, taken_at timestamp not null, rows bigint not null
);
create table raw.shop_posts (
    number bigint not null,              -- order of arrival
    entry bigint not null,               -- of the inbox
    key varchar,                         -- what it is known by for 30 days; null: it may come again
    event varchar not null,
    at_ timestamp not null,              -- its `at`, else its arrival
    received_at timestamp not null,
    signed boolean not null,
    data varchar,                        -- JSON; null once it is settled
    state varchar not null,              -- waiting, applied, older, hint, unsigned, unusable, orphan
    settled_at timestamp
);
