-- What an answer does not say is no statement, and one record's trouble is its own (routes.md R22, R23, R40).

-- Documented keys that the last answer did not have and the one before did: place -> {value, since}; null: none.
alter table raw.vinoshipper_customers add column list_kept varchar;
alter table raw.vinoshipper_customers add column detail_kept varchar;
alter table raw.vinoshipper_orders add column detail_kept varchar;

-- Records that could not be read when they were last asked for; tried again with growing gaps.
create table raw.unreadable (
    kind varchar not null,               -- customer, order, contact
    id varchar not null,
    error varchar not null,              -- kind of the error: try_later, bad_answer, auth
    why varchar not null,                -- its fixed sentence
    http_status integer,
    attempts integer not null,
    first_at timestamp not null,
    last_at timestamp not null,
    next_at timestamp not null,
    primary key (kind, id)
);

-- What is given and could not be understood, by the names of our own fields: ["birth_date", "city"]; null: nothing.
alter table staged.customers add column unread varchar;
alter table staged.orders add column unread varchar;
-- A year of birth that was told without a day and a month.
alter table staged.customers add column birth_year integer;
-- The copy of the customer's birth date in the order: it counts where the customer's own is not known.
alter table staged.orders add column birth_date date;
alter table staged.orders add column birth_year integer;
