-- People's records as they were last read, by the address they were looked for by. Times are UTC.
create table raw.hubspot_contacts (
    system varchar not null, object varchar not null, id varchar not null,
    email_key varchar not null, body varchar not null, read_at timestamp not null, read_run varchar not null,
    primary key (system, object, id)
);
