-- Nothing is sent that was not stored before: after a crash it is known what may have been written, and to whom.

-- One row per contact and request, with the evidence on which it was sent. Rows without an outcome are the outbox.
create table synced.writes (
    send_id varchar not null,            -- one request; a batch has many contacts
    contact_id varchar not null,
    run_id varchar not null,
    call varchar not null,               -- update_contact, batch_update
    phone varchar,                       -- that it was sent under; null once settled, or a day later if its batch may come still
    changes varchar,                     -- JSON; null like the phone; what was accepted is in the history
    status varchar not null,             -- subscriptionStatus as it was read,
    read_at timestamp not null,          -- and when
    birth_date date,                     -- of the customer; null: not known
    task_id varchar,                     -- of a batch, once it was taken
    heard_before double,                 -- SimpleTexting's clock around the sending, epoch seconds
    heard_after double,
    sent_at timestamp not null,
    outcome varchar,                     -- accepted, rejected, gone, another contact, not applied; null: not known yet
    settled_at timestamp
);

-- The history says why as well, and holds all that moves the ledger, so that the ledger can be made again from it.
alter table synced.history add column seq bigint;
alter table synced.history add column event varchar default 'accepted'; -- accepted; found (stood there already); stored (what they made of it)
alter table synced.history add column stored varchar;                   -- what stands there, of found and stored
alter table synced.history add column rule varchar;                     -- source, form, policy, map and line
alter table synced.history add column sources varchar;                  -- the records it was made from: `customer 700101, order 9000`
alter table synced.history add column send_id varchar;
update synced.history set seq = rowid;

alter table planned.changes add column rule varchar;
alter table planned.changes add column sources varchar;

-- The brake was passed by name.
create table synced.allowed (run_id varchar not null, allowed_by varchar not null, allowed_at timestamp not null, refused varchar not null);
