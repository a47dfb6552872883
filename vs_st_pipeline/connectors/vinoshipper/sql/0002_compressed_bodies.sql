-- Bodies are most of a file, and are much alike: zstd stores them in a fraction of the room, and a checkpoint, which
-- writes whole groups of rows again, takes a quarter of the time. A column's compression can only be said when its table
-- is made, so the tables are made again, with the same columns in the same places and the same rows in the same order.
create table raw.vinoshipper_customers_new (
    customer_id bigint primary key,
    phone varchar,
    list_body varchar using compression zstd,
    list_hash varchar,
    listed_at timestamp,
    missing integer not null default 0,
    detail_body varchar using compression zstd,
    detail_at timestamp,
    detail_status integer,
    deleted_at timestamp,
    detail_wanted boolean default true,
    linked_run varchar,
    detail_leads boolean default false,
    detail_hash varchar,
    list_kept varchar,
    detail_kept varchar
);
insert into raw.vinoshipper_customers_new select * from raw.vinoshipper_customers order by rowid;
drop table raw.vinoshipper_customers;
alter table raw.vinoshipper_customers_new rename to vinoshipper_customers;
create table raw.vinoshipper_orders_new (
    order_number varchar primary key,
    customer_id bigint,
    search_body varchar using compression zstd,
    searched_at timestamp,
    detail_body varchar using compression zstd,
    detail_at timestamp,
    detail_status integer,
    receipt_url varchar,
    receipt_state varchar,
    receipt_at timestamp,
    detail_wanted boolean default true,
    purchased_on date,
    settled_at timestamp,
    owner_unknown boolean default false,
    detail_hash varchar,
    search_hash varchar,
    detail_kept varchar
);
insert into raw.vinoshipper_orders_new select * from raw.vinoshipper_orders order by rowid;
drop table raw.vinoshipper_orders;
alter table raw.vinoshipper_orders_new rename to vinoshipper_orders;
