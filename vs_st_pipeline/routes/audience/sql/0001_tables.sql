-- What route audience keeps of its own. Times are UTC without zone, by VS_ST_NOW, but where it says "real".
--
-- No table that grows with the shop has a key or an index: at 1,000,000 orders an index costs more memory than all
-- else. Whoever writes a row takes the old one away first (`merging`), and each table is sorted by nobody.
--
-- Columns of the house, after those of audience.md 4.1:
--   own_at     the instant by which 6.4 calls a record old: its own time, a plain date's end in the merchant's zone
--   posted_at  `at` of the newest post that brought something of it; null: no post did
--   written_at when what stands was so at the source: a read's begin, a drop's taken_at, a post's at. Newer wins (4.4)
--   seen_at    when its last change was seen (a post's at): what an event's lateness goes by (6.4)
--   lacked_at  end of the last complete read that lacked it before it came; null: there was none
--   gone_at    since when a complete read lacks it; null: it is there. A row is never deleted because it is gone
--   digest     hash of all that an event of it compares (6.2), with its parts; equal to the base's: no event

create table staged.shop_customers (
    customer_id varchar not null,
    first_name varchar, last_name varchar, birth_date date, email varchar, phone varchar,
    opted_in boolean, opted_at timestamp,
    created_at timestamp, updated_at timestamp,
    extra varchar,                           -- JSON object name -> text, names without x_, in order of name; null: none
    -- house
    evidence varchar,                        -- of opted_in: JSON {system, field, value, read_at}; null where opted_in is
    opted_changed_at timestamp,              -- when opted_in was last seen to change, or its own time of that
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp, digest ubigint not null
);
create table staged.shop_addresses (         -- parts of a customer
    customer_id varchar not null, position integer not null,
    country varchar, city varchar, address1 varchar, address2 varchar, postcode varchar, company varchar,
    extra varchar
);
create table staged.shop_subscribers (
    address varchar not null,                -- the e-mail, trimmed and in lower case
    subscriber_id varchar, email varchar, customer_id varchar,
    subscribed boolean,                      -- as the record says; null: it says nothing, or no record stands
    since timestamp, evidence varchar,
    -- house
    changed_at timestamp,                    -- when subscribed was last seen to change, or its own time of that
    posted boolean,                          -- what the newest Newsletter post that counts says; null: none came
    posted_since timestamp,                  -- its at
    posted_signed boolean, posted_evidence varchar,
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp, digest ubigint not null
);
create table staged.shop_products (
    product_id varchar not null,
    sku varchar, slug varchar, name varchar, description varchar, short_description varchar,
    categories varchar[],
    stock double, in_stock boolean,          -- a stock may be a fraction; it is cut where it is rendered (5.4)
    price decimal(18, 2), discount_price decimal(18, 2), discount_start date, discount_end date,
    discount_quantity double,
    image_link varchar, product_link varchar,
    created_at timestamp, updated_at timestamp, extra varchar,
    -- house
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp, digest ubigint not null
);
create table staged.shop_options (           -- parts of a product
    product_id varchar not null, option_id varchar not null, position integer,
    stock double, in_stock boolean,
    price decimal(18, 2), discount_price decimal(18, 2), discount_start date, discount_end date,
    discount_quantity double,
    attributes varchar                       -- JSON object name -> text: size, color, others
);
create table staged.shop_wishlists (
    customer_id varchar not null, product_id varchar not null, added_at timestamp,
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp
);
create table staged.shop_orders (
    order_id varchar not null,
    customer_id varchar,                     -- null: a guest's
    status varchar not null, paid boolean, shipping_method varchar, payment_method varchar,
    total decimal(18, 2) not null,
    created_at timestamp not null, updated_at timestamp,
    email varchar, first_name varchar, last_name varchar, birth_date date, company varchar, website varchar,
    address1 varchar, address2 varchar, postcode varchar, phone varchar, phone_mobile varchar, city varchar,
    country varchar, extra varchar,
    -- house
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp, digest ubigint not null
);
create table staged.shop_order_lines (       -- parts of an order
    order_id varchar not null, position integer not null,
    product_id varchar, option_id varchar, quantity double not null
);
create table staged.shop_carts (
    cart_id varchar not null, customer_id varchar,  -- null: a guest's
    cart_url varchar, updated_at timestamp,
    own_at timestamp, posted_at timestamp, written_at timestamp not null,
    seen_at timestamp not null, lacked_at timestamp, gone_at timestamp, digest ubigint not null
);
create table staged.shop_cart_lines (        -- parts of a cart
    cart_id varchar not null, product_id varchar not null, option_id varchar, quantity double not null
);
-- What a post brought that no difference of state shows (4.4, 6.2): each status in turn, a search, a stock without a
-- number. Taken away in the transaction that takes it into the outbox.
create table staged.shop_passed_on (
    number bigint not null,                  -- order of application: by `at`, then arrival
    event varchar not null, kind varchar not null, id varchar not null,
    value varchar not null,                  -- JSON: the status; {option_id}; {customer_id, search_string}
    seen_at timestamp not null               -- the post's at
);
-- Each complete read of a kind that was staged: customers, subscribers, products, wishlists, orders, carts.
create table staged.shop_reads (
    kind varchar not null, ended_at timestamp not null, rows bigint not null, run_id varchar not null,
    written_at timestamp,                    -- when this was so at the source: what it did not change was so then, too
    passed boolean not null default false    -- the brake has let a plan with it pass: the next is measured by it (9)
);
-- How often what is staged has changed: the diff is not made again where nothing has (12b).
create table staged.shop_generation (generation bigint not null);
insert into staged.shop_generation values (0);
-- Rows that were noted while they were staged, as they stand: word, kind and id of what is counted.
create table staged.shop_notes (word varchar not null, kind varchar not null, id varchar not null);

-- planned: who is held, whose address is subscribed by what, and what is new. Made anew by each plan.
create table planned.audience_held (
    kind varchar not null, id varchar not null,  -- customer, order (of a guest), subscriber
    reason varchar not null,
    counted boolean not null default true    -- this row stands for the person; an address beside its customer does not
);
-- One row per address that any record or post names (8.2).
create table planned.audience_addresses (
    address varchar not null, email varchar, subscriber_id varchar,
    customer_id varchar,                     -- the least id among several; null: nobody's
    subscribed boolean not null,
    says boolean,                            -- false: the source says no; null: nothing says anything
    since timestamp, evidence varchar,       -- of the yes
    mixed boolean not null,
    own_at timestamp, seen_at timestamp, lacked_at timestamp
);
-- What differs from the base, in the order of 6.3: what the next sync takes into the outbox, or sends late.
create table planned.audience_news (
    number bigint not null,                  -- in the order of 6.3
    event varchar not null,                  -- a word of 6.2
    kind varchar not null, id varchar not null,
    rank varchar not null,                   -- the group of 6.3
    part varchar not null,                   -- what of the entity it is about: an option's id of ProductStockUpdate
    silent boolean not null,                 -- the event is off: the base moves, and nobody is told (6.5)
    about varchar,                           -- JSON: option_id, product_id, status, subscription, email; what `data` needs besides
    changed varchar[] not null,              -- columns that differ
    late boolean not null,                   -- goes as late history of its block instead (6.4)
    seen_at timestamp not null,              -- when the change was seen; a post's at
    own_at timestamp                         -- for the order within a group
);
-- Records whose base becomes what is staged when the plan is taken, with or without an event of theirs.
create table planned.audience_moves (kind varchar not null, id varchar not null);
-- Posts that a plan has looked at (staged.shop_passed_on): they go with it, told or not.
create table planned.audience_looked_at (number bigint not null);
-- What the plan was made of, and whether the brake has let it pass: a plan that is not of what is staged now, or that was
-- not judged, is never taken. undecided: records were left out, since nobody knows yet what became of their history.
create table planned.audience_made (of varchar not null, undecided boolean not null, passed boolean not null);
create table planned.audience_notes (word varchar not null, kind varchar not null, id varchar not null);

-- synced: the base, one row per entity: the staged columns as last told or taken into the outbox, with its parts.
-- told: outbox (taken as an event), told, rejected, silent (skip, off: nobody was told).
-- told_key, told_call, told_at: the call. A record enters with its part, so that the bytes that go again after a crash and
-- the base always agree: while the part stands in audience_parts, it is not decided. gone_at: since when it is known to
-- be gone.
create table synced.base_customers (
    customer_id varchar not null,
    first_name varchar, last_name varchar, birth_date date, email varchar, phone varchar,
    extra varchar,
    addresses struct(country varchar, city varchar, address1 varchar, address2 varchar, postcode varchar, company varchar, extra varchar)[],
    digest ubigint not null, gone_at timestamp,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
create table synced.base_subscribers (
    address varchar not null, email varchar, customer_id varchar, subscriber_id varchar,
    subscribed boolean not null,             -- as last told, or taken into the outbox
    maybe boolean not null default false,    -- a true may have arrived: a false must go even so
    evidence varchar,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
create table synced.base_products (
    product_id varchar not null,
    sku varchar, slug varchar, name varchar, description varchar, short_description varchar,
    categories varchar[], stock double, in_stock boolean,
    price decimal(18, 2), discount_price decimal(18, 2), discount_start date, discount_end date,
    discount_quantity double,
    image_link varchar, product_link varchar, extra varchar,
    options struct(option_id varchar, stock double, in_stock boolean, price decimal(18, 2), discount_price decimal(18, 2), discount_start date, discount_end date, discount_quantity double, attributes varchar)[],
    out_of_stock boolean not null,           -- told so, or so when it was told first
    digest ubigint not null, gone_at timestamp,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
create table synced.base_wishes (
    customer_id varchar not null, product_id varchar not null,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
create table synced.base_orders (
    order_id varchar not null,
    customer_id varchar, status varchar not null, paid boolean, total decimal(18, 2) not null,
    created_at timestamp, others ubigint not null,  -- hash of what no event tells: lines, total, address, customer
    digest ubigint not null, gone_at timestamp,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
create table synced.base_carts (
    customer_id varchar not null,            -- '': all guests together
    cart_id varchar, lines struct(product_id varchar, option_id varchar, quantity double)[], cart_url varchar,
    digest ubigint not null,
    told varchar not null, told_key varchar, told_call varchar, told_at timestamp
);
-- The outbox of events: a row is committed before its request leaves, and moves to audience_told when it is settled.
create table synced.audience_outbox (
    key varchar primary key,                 -- 32 hex, the Idempotency-Key; fixed when it enters
    number bigint not null,                  -- the order in which rows go: what waits from earlier syncs before what is new
    event varchar not null, kind varchar not null, id varchar not null, rank varchar not null,
    part varchar not null default '',        -- what of the entity it is about: an option's id of ProductStockUpdate
    about varchar,                           -- as in planned.audience_news
    data varchar not null,                   -- JSON of `data`, exactly as it is sent
    evidence varchar,                        -- of a subscription: JSON
    changed varchar[] not null,
    seen_at timestamp not null, own_at timestamp, entered_at timestamp not null, run_id varchar not null,
    state varchar not null default 'waiting',  -- waiting (never sent), unknown (may have arrived), rejected, dead, asked
    tries integer not null default 0, sent_at timestamp, http_status integer, next_at timestamp,
    first_refused_at timestamp,
    refusals integer not null default 0,     -- how often it was refused; by it the gaps grow
    released boolean not null default false  -- a person has said that a held unknown one goes again (7.4)
);
-- Every call that was acknowledged or given up, never altered: one row per event, one per part.
create table synced.audience_told (
    key varchar not null, call varchar not null,  -- event, history, late
    event varchar, block varchar, kind varchar, id varchar,  -- of an event
    ids varchar[],                           -- of a part
    data varchar,                            -- of an event
    evidence varchar, state varchar not null,  -- accepted, rejected, dropped, late, melted
    tries integer not null, http_status integer, "at" timestamp not null, run_id varchar not null
);
-- The five blocks (5.1). pinned: how many ids; position: how many of them are in parts by now, settled or under way, or
-- left out. records: as pinned; parts: settled ones.
create table synced.audience_blocks (
    block varchar primary key,
    state varchar not null,                  -- waiting, sending, done, skipped
    begun_at timestamp, done_at timestamp,
    pinned bigint not null default 0, position bigint not null default 0,
    records bigint not null default 0, accepted bigint not null default 0, rejected bigint not null default 0,
    left_out bigint not null default 0, parts bigint not null default 0
);
create table synced.audience_pins (block varchar not null, position bigint not null, id varchar not null);
-- The part that is under way (at most one), and those that it was halved into and that wait for their turn.
create table synced.audience_parts (
    number bigint not null,                  -- the least one is next
    key varchar not null, block varchar not null,
    late boolean not null,                   -- late history (5.1.8)
    ids varchar[] not null,
    body varchar,                            -- exact bytes without the uuid; null: not rendered yet
    evidence varchar,                        -- of subscribers: JSON object id -> evidence
    tries integer not null default 0, unknown_syncs integer not null default 0,
    state varchar not null default 'waiting',  -- waiting, unknown
    run_id varchar,                          -- by which it entered
    sized boolean not null default false     -- half of one that was too large: if it passes, its size is kept (5.1.4)
);
-- History records that were refused alone; and late ones that wait for their part.
create table synced.audience_late (
    block varchar not null, id varchar not null, since timestamp not null, why varchar not null, -- late, rejected
    tries integer not null default 0, next_at timestamp, first_refused_at timestamp, dead boolean not null default false,
    http_status integer, run_id varchar      -- by which it was refused last: a run tries it once
);
-- Whom a plan held, as long as it does: what is new of somebody who is held no more is told as late history (8.4).
create table synced.audience_was_held (kind varchar not null, id varchar not null);
-- What is remembered besides, as JSON: part_limit, generation of the last diff, notes that stand, refusals in a row.
create table synced.audience_facts (name varchar primary key, value varchar not null, "at" timestamp not null);
create sequence synced.audience_number start 1;
