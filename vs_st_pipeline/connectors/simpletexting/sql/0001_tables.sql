-- What SimpleTexting said, as it said it. `if not exists`: in a file from before a connector had a lineage of its own,
-- what is there stays in its place.
create schema if not exists raw;

create table if not exists raw.simpletexting_contacts (
    contact_id varchar primary key,
    body varchar not null,
    body_hash varchar not null,
    read_at timestamp not null,
    read_run varchar not null,           -- the run that read it last; only such contacts are written
    first_source varchar,                -- updateSource before our first write overwrites it
    gone boolean not null default false, -- a later complete read, or a 404, did not have it
    phone varchar,                       -- ten digits; null: no North American number
    email varchar,                       -- in small letters; null: blank
    customer_id varchar,                 -- what VScustomerID says; null: blank
    status varchar                       -- subscriptionStatus
);
create table if not exists raw.simpletexting_custom_fields (
    label varchar not null,
    merge_tag varchar
);
