-- Bodies in a fraction of the room, as in Vinoshipper's tables: a column's compression can only be said when its table
-- is made, so the table is made again, with the same columns in the same places and the same rows in the same order.
create table raw.simpletexting_contacts_new (
    contact_id varchar primary key,
    body varchar using compression zstd not null,
    body_hash varchar not null,
    read_at timestamp not null,
    read_run varchar not null,
    first_source varchar,
    gone boolean not null default false,
    phone varchar,
    email varchar,
    customer_id varchar,
    status varchar
);
insert into raw.simpletexting_contacts_new select * from raw.simpletexting_contacts order by rowid;
drop table raw.simpletexting_contacts;
alter table raw.simpletexting_contacts_new rename to simpletexting_contacts;
