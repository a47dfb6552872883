-- Why a person wanted an order voided, as it was typed, but for e-mails and phones: it may name somebody, so it goes
-- when the order's person is forgotten, and with the bodies (`keep_raw_bodies`). The last one of an order stands.
create table synced.void_reasons (
    order_id varchar primary key, reason varchar not null, "at" timestamp not null, who varchar not null,
    run_id varchar not null
);
