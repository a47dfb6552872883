-- What route notices keeps of its own (notices.md 4). Times are UTC without zone, by VS_ST_NOW.
-- The claims, consents, receipts, replies and templates themselves lie with the account (accounts/ID/account.sqlite,
-- R46); the tables of the same names here are this merchant's copy, taken in each sync.

create table staged.journey_events (
    unit_key varchar not null, status varchar not null, occurrence integer not null,  -- from 1; a number stays
    merchant_order varchar not null,         -- key of staged.notice_orders
    source varchar not null, source_status varchar,  -- eshopbox, commerce7, vinoshipper; the system's own word
    rank integer not null, ends boolean not null,
    occurred_at timestamp,                   -- first of the names of this status; null: not known
    last_at timestamp,                       -- newest of them
    basis varchar,                           -- words.Basis; null: occurred_at is null
    first_seen_at timestamp not null,
    confirmed boolean not null,              -- a read shows it, or it needs none (3.5, 3.8)
    hook_at timestamp,                       -- receipt of the hook that told it first; null: none did
    attempt_at timestamp,                    -- newest own time at which a courier was out to deliver (5.4)
    answered_at timestamp,                   -- when an answer to this failed delivery was handed in; null: none was
    in_baseline boolean not null,
    noted varchar,                           -- clock_ahead, or null
    evidence varchar,                        -- JSON: what was read, when, by which call or hook
    primary key (unit_key, status, occurrence)
);
create table staged.units (                  -- a shipment, a return or an order, and all ids that mean it (rulings 7)
    unit_key varchar primary key, merchant_order varchar not null, kind varchar not null  -- order, shipment, return
);
create table staged.unit_aliases (alias varchar primary key, unit_key varchar not null);
create table staged.notice_orders (
    merchant_order varchar primary key,      -- SOURCE:ID, ID as in unit_key's order form
    source varchar not null, order_number varchar not null, vendor_order_number varchar,
    placed_at timestamp, country varchar, state varchar, postal varchar,
    items varchar,                           -- JSON array {unit_key, line, sku, gtin, ean, upc, brand, title, quantity}
    payment varchar, invoice varchar, tracking_id varchar, courier varchar,
    ndr varchar,                             -- JSON {reason, resolutions: [...]|null, submitted: {code, at}|null} by unit
    refund_amount decimal(18, 2),
    more varchar,                            -- JSON: what section 6 needs besides: address, city, brand, invoice_url...
    contact_phone varchar,                   -- exactly as Eshopbox has it, for ndrResolution
    whatsapp_flag boolean,                   -- isWhatsAppEnabledForNotifications; null: absent
    read_at timestamp not null,              -- of the last good read, by VS_ST_NOW
    read_real double                         -- the same by the machine's clock, epoch seconds (rulings 1)
);
create table staged.recipients (
    merchant_order varchar primary key, phone_raw varchar, phone varchar, phone_fault varchar,  -- words.Wait or null
    name varchar, country varchar,           -- of the address
    zones varchar[],                         -- IANA; empty: the merchant's
    under_age boolean not null default false
);
-- What was taken over of Commerce7 and Vinoshipper (`others`): each order, whose journey it is of, what reads have shown.
create table staged.source_orders (
    source varchar not null, own varchar not null,  -- commerce7: the id; vinoshipper: the number
    order_number varchar not null,
    version varchar,                         -- of the row that was taken over; null: it is taken over again in each sync
    read_at timestamp not null,              -- of the last good read, by VS_ST_NOW
    merchant_order varchar,                  -- null: it is no unit, or none yet (routes.md R37)
    linked_id varchar, linked_number varchar,  -- the Commerce7 order that it says it is; kept once it was said
    was_own boolean not null default false,  -- it had a journey of its own before it was known to be another's
    buyer varchar,                           -- the customer's id at the source
    parcel varchar,                          -- JSON {tracking_id, courier, tracking_url}
    under_age boolean not null default false,  -- its customer is known to be
    primary key (source, own)
);
create table staged.source_words (           -- one row per word and time; none is ever taken out
    seq bigint not null, source varchar not null, own varchar not null, word varchar not null,
    own_at timestamp,                        -- the source's own time of it
    bound timestamp,                         -- without one: an earlier moment at which it was not so yet
    seen_at timestamp not null,
    stands boolean not null                  -- false: a later read says that it is not so (any more)
);

create table staged.consents (
    phone varchar not null, account varchar not null, source varchar not null, "at" timestamp not null,
    state varchar not null,                  -- in, out, void (older ones in count no more), absent (not on WhatsApp)
    merchant_order varchar,                  -- eshopbox_flag covers its own order alone
    evidence varchar not null                -- JSON
);
create table staged.receipts (
    account varchar not null, id varchar not null, gs_id varchar, type varchar not null, "at" timestamp not null,
    destination varchar, code varchar, reason varchar, wa_id varchar,
    notice_id varchar, matched_by varchar,   -- gs_id, id, wa_id, phone_window
    key varchar not null,                    -- of 3.4: a second one says nothing, from whatever file
    primary key (account, key)
);
create table staged.replies (
    account varchar not null, message_id varchar not null, phone varchar, kind varchar not null,  -- text, button, media
    text varchar, button_text varchar, postback varchar, context_gs_id varchar, context_id varchar,
    "at" timestamp not null, notice_id varchar, matched_by varchar,  -- postback, gs_id, id, phone
    outcome varchar,                         -- words.ReplyOutcome; null: not judged yet
    action_id varchar, seq bigint not null,
    primary key (account, message_id)
);
create table staged.templates (
    account varchar not null, template_id varchar not null, name varchar, status varchar, category varchar,
    language varchar, type varchar, data varchar, header varchar, footer varchar,
    buttons varchar,                         -- JSON array {type, text}
    placeholders varchar[], fit boolean, fault varchar, read_at timestamp not null,
    primary key (account, template_id)
);
create table staged.activity (               -- append-only (4, 7.8)
    activity_id varchar primary key, seq bigint not null,
    merchant_order varchar, "at" timestamp not null, what varchar not null, mode varchar,
    notice_id varchar, message_id varchar, account_kind varchar, number varchar,
    detail varchar not null,                 -- JSON
    pushed_at timestamp                      -- told to activity.push_url; null: not yet, or none is set
);

create table planned.notices (               -- all that this plan judged and did not drop before: what `plan` shows
    notice_id varchar primary key, verdict varchar not null,  -- due, waiting, dropped
    reason varchar, rule integer, until timestamp,
    detail varchar,                          -- what `why` says besides, such as the variable that is missing
    unit_key varchar not null, status varchar not null, occurrence integer not null,
    merchant_order varchar not null, order_number varchar not null,
    account varchar, template_id varchar, phone varchar,
    params varchar, text varchar, buttons varchar,  -- JSON; the message as it would read; null: not rendered
    consent varchar,                         -- JSON of the row of staged.consents that is used
    occurred_at timestamp, seq integer not null  -- order of sending (5, end)
);
create table planned.actions (               -- replies that may become calls, in this plan
    account varchar not null, message_id varchar not null, notice_id varchar not null, action varchar not null,
    code varchar not null, state varchar not null, reason varchar
);

create table synced.notices (                -- the ledger: one row per message, for good
    notice_id varchar primary key, kind varchar not null,  -- words.MessageKind
    unit_key varchar, status varchar, occurrence integer,  -- of a notice
    merchant_order varchar, order_number varchar,
    reply_id varchar,                        -- of exception and confirmation: message_id of the reply
    state varchar not null, reason varchar, rule integer, until timestamp,
    first_seen_at timestamp not null, changed_at timestamp not null,
    account varchar, account_kind varchar, number varchar,
    template_id varchar, category varchar, destination varchar, params varchar, text varchar, buttons varchar,
    consent varchar, claimed_at timestamp, tries integer not null default 0,
    message_id varchar, wa_id varchar, accepted_at timestamp,
    code varchar, vendor_reason varchar, settled_by varchar,  -- answer, receipt, reply, phone_window, person
    retries integer not null default 0, retry_at timestamp,
    run_id varchar
);
create table synced.actions (
    action_id varchar primary key, notice_id varchar not null, attempt integer not null,
    account varchar not null, reply_id varchar not null, merchant_order varchar not null,
    action varchar not null, code varchar not null, deferred_date date,
    state varchar not null, http_status integer, message varchar, "at" timestamp not null, sent_at timestamp,
    settled_at timestamp, settled_by varchar, run_id varchar,
    before varchar,                          -- JSON: what the order's ndr said of the unit before the call
    unique (notice_id, attempt)
);
create table synced.notice_brake (           -- notices that the brake holds, or that a person let pass (9.3, rulings 4)
    notice_id varchar primary key, rule varchar not null, allowed boolean not null, "at" timestamp not null
);
create table synced.unit_ranks (             -- rank of the newest status of each unit, of the last read that passed
    unit_key varchar primary key, rank integer not null
);
create table synced.activity_push (          -- what push_url did not take: told again with growing gaps
    line varchar primary key,                -- merchant_order; activity_id where a row has none; * : nobody answers
    tries integer not null, retry_at timestamp not null
);
create table synced.notice_facts (           -- started_at, baseline_done, enabled_since:STATUS, ...
    name varchar primary key, value varchar not null, "at" timestamp not null
);
create table synced.notice_notes (           -- what is noted while it lasts: words.Noted
    word varchar not null, record varchar not null, "at" timestamp not null, primary key (word, record)
);
create table synced.account_copied (account varchar primary key, file varchar not null, seq bigint not null);
