-- What the route keeps of its own. Times are UTC. crm: hubspot, klaviyo, salesforce. email_key: an address, trimmed,
-- NFC, lower case; key: 'sp_' and 40 hex digits of its SHA-256, which is the id of all rows in planned and synced
-- (system = crm, object = 'consumer').

create table staged.sopost_orders (
    order_id varchar primary key, short_id varchar, activity_id varchar,
    email_key varchar,                   -- of the first read that counted; null: no usable address
    email varchar,                       -- as this order writes it, trimmed
    email_state varchar not null,        -- ok, no_email, bad_email
    address_changed boolean not null default false,
    identity varchar, full_name varchar, telephone varchar,
    name_key varchar,                    -- full_name as names are compared
    line_1 varchar, line_2 varchar, town varchar, district varchar, postcode varchar, territory varchar,
    silent varchar,                      -- JSON array of what the order says nothing of; null: it says all
    provider varchar, status varchar not null,
    class varchar not null,              -- approved, pending, rejected, later
    approved boolean not null,           -- by its class, or later and approved before (3.6)
    counts boolean not null,             -- approved, a usable address, a wanted activity
    counted boolean not null default false,  -- it counted once, whatever it does now
    products varchar not null,           -- JSON array, sorted
    first_seen_at timestamp not null, ordered_at timestamp,
    order_time timestamp,                -- as the order says it
    earliest_at timestamp,               -- before which no consent of it was given; null: unknown (7.6)
    source varchar not null,             -- webhook, import
    may_create boolean not null,         -- 7.14
    read_at timestamp not null, body_sha256 varchar not null,
    event_ids varchar not null,          -- JSON array
    unreadable_parts boolean not null default false,
    reduced boolean not null default false,  -- to ids, statuses and times, since it led to nothing (10.6)
    source_hash varchar not null         -- of the raw row and the settings that it was made from
);
create table staged.consumers (
    email_key varchar primary key, key varchar not null, email varchar not null,
    full_name varchar, first_name varchar, last_name varchar, telephone varchar,
    line_1 varchar, line_2 varchar, town varchar, district varchar, postcode varchar, territory varchar,
    country_2 varchar, identity varchar,
    newest_order_id varchar not null, order_count integer not null,
    identities varchar not null, names_seen varchar not null
);
create table staged.consents (
    order_id varchar not null, consent_id varchar not null, data_handler varchar not null,  -- as the map writes them,
                                         -- where it has them, else as the order does
    consent_name varchar, status varchar,
    given boolean not null,
    entry varchar not null,              -- mapped, ignored, unmapped, handler_mismatch
    verdict varchar not null,            -- what the status means: given, refused, neither
    earliest_at timestamp, text_version varchar,
    vanished_at timestamp, withdrawn_at timestamp,
    ever_given boolean not null default false,  -- in any read, as the settings see it now
    once_given boolean not null default false,  -- in any read, by the settings of that time
    primary key (order_id, consent_id, data_handler)
);
create table staged.answers (
    order_id varchar not null, question_id varchar not null, answer_id varchar not null,
    question_text varchar, answer_text varchar, position integer not null,
    primary key (order_id, question_id, answer_id)
);

-- Who is to be planned at which CRM, since when, and why: an order that was read, a changed map, a retry. A row is taken
-- away when their plan was accepted whole, or they are held, in the transaction that says so.
create table planned.consumers_due (
    crm varchar not null, email_key varchar not null, why varchar not null, since timestamp not null,
    primary key (crm, email_key)
);
-- Fingerprint of map and settings by which everybody was planned at a CRM. Without a row (a new CRM, one that was away, a
-- file that was started over) everybody is planned.
create table planned.crm_maps (crm varchar primary key, planned_by varchar not null);
create table planned.hubspot_consumers (
    key varchar primary key, email_key varchar not null, contact_id varchar,
    action varchar,                      -- create, update, subscribe; null: nothing is to be written
    held varchar, held_consent varchar,  -- why, and the consent that it is about
    noted varchar not null,              -- JSON array of words
    without_consent boolean not null, changes varchar not null,  -- JSON array as in `vs-st plan --json`
    run_id varchar not null, planned_at timestamp not null
);
create table planned.hubspot_subscriptions (
    key varchar not null, consent_id varchar not null, data_handler varchar not null, order_id varchar not null,
    target varchar not null, action varchar not null, run_id varchar not null,
    primary key (key, consent_id, data_handler)
);
create table planned.klaviyo_consumers as select * from planned.hubspot_consumers;
create table planned.klaviyo_subscriptions as select * from planned.hubspot_subscriptions;
create table planned.salesforce_consumers as select * from planned.hubspot_consumers;
create table planned.salesforce_subscriptions as select * from planned.hubspot_subscriptions;
alter table planned.klaviyo_consumers add primary key (key);
alter table planned.klaviyo_subscriptions add primary key (key, consent_id, data_handler);
alter table planned.salesforce_consumers add primary key (key);
alter table planned.salesforce_subscriptions add primary key (key, consent_id, data_handler);

-- Which record a person had when it was last written or found; what was noticed of it since.
create table synced.consumers (
    crm varchar not null, key varchar not null, email_key varchar not null,
    record_id varchar, known_at timestamp not null,
    deleted_at timestamp,                -- noticed; not made again but for an order first seen later (6.2)
    last_order_at timestamp,             -- newest order of the last accepted plan
    primary key (crm, key)
);
-- Every subscription, and what it rests on. Rows are added before the send; only outcome and outcome_at change, once
-- more than 'unknown' is known. Also a line of merchants/ID/consumers.evidence.jsonl (R35).
create table synced.consent_evidence (
    evidence_id varchar primary key,     -- run id and a number
    seq bigint not null,                 -- order of the rows
    crm varchar not null, target varchar not null, lists varchar not null, contact_id varchar,
    key varchar not null, email varchar, -- null: forgotten
    consent_id varchar not null, consent_name varchar, data_handler varchar not null, consent_status varchar,
    text_version varchar, order_id varchar not null, short_id varchar, activity_id varchar, event_ids varchar,
    first_seen_at timestamp, order_read_at timestamp, ordered_at timestamp, earliest_at timestamp, body_sha256 varchar,
    state_before varchar not null, state_before_at timestamp not null,
    action varchar not null,             -- subscribe, add_to_list, unsubscribe, already
    run_id varchar not null, sent_at timestamp not null,
    outcome varchar not null,            -- unknown, accepted, awaiting_confirmation, rejected, undone, not_done
    outcome_at timestamp, code varchar,
    tries integer not null default 1,    -- of this consent at this target, this one included
    lists_open boolean not null default false,  -- its lists are still to be added
    from_target boolean not null default true,  -- of unsubscribe: more than list memberships was undone
    wholly boolean not null default false       -- of unsubscribe: from everything, since nothing of ours stands there
);
-- How far the evidence file has been taken in: which file, how long it was, and the last row that is in it. One row.
create table synced.evidence_read (
    inode ubigint not null, bytes bigint not null, seq bigint not null, noted_at timestamp not null
);
-- Subscriptions that were refused and wait for another try, one row per person and target.
create table synced.subscription_rejects (
    crm varchar not null, key varchar not null, target varchar not null,
    asked varchar not null,              -- action and consent; another wish does not wait
    code varchar not null, http_status integer, attempts integer not null,
    first_at timestamp not null, last_at timestamp not null, next_at timestamp not null,
    primary key (crm, key, target)
);
-- The account behind each key when it was first used, and what the settings let happen there (9).
create table synced.crm_accounts (crm varchar primary key, account varchar, known_at timestamp not null);
create table synced.crm_settings (
    crm varchar primary key,
    settings varchar not null            -- JSON: what lets somebody be subscribed or stored there, and since when it does
);
