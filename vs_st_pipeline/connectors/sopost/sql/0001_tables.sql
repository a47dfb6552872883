-- What SoPost said. Times are by VS_ST_NOW, UTC.
create table raw.sopost_events (
    event_key varchar primary key,       -- JSON of event_id, order_id, event; without an event_id, of the inbox's entry
    seq bigint not null,                 -- order of arrival
    order_id varchar not null,           -- small letters
    event_id varchar not null, event varchar not null, activity_id varchar not null,  -- '' where absent
    received_at timestamp not null
);
create table raw.sopost_orders (
    system varchar not null, object varchar not null, id varchar not null,  -- order id in small letters
    asked_id varchar not null,           -- as it was first given
    first_seen_at timestamp not null,
    first_seen_by varchar not null,      -- webhook, import
    first_class varchar,                 -- class of its first event; null: import
    first_event_at timestamp,            -- receipt of its first event, if any
    consented_at timestamp,              -- as the import says it, if the import was its first sight
    may_create boolean not null,         -- by webhook, or import --create
    body varchar,                        -- JSON; null: not stored, or reduced
    body_sha256 varchar,
    status varchar,                      -- of the last usable read
    activity_id varchar,
    read_at timestamp,                   -- of the last usable read
    left_at timestamp,                   -- when the request of the last try left
    tries integer not null default 0,    -- in a row without an answer that settles it
    last_try varchar,                    -- read, pending, not_found, not_visible, unreadable
    next_try_at timestamp,               -- null: nothing is due by time
    was_approved boolean not null default false,  -- an earlier read was approved
    gave_up boolean not null default false,
    forgotten boolean not null default false,     -- of a forgotten person: nothing else is stored
    changed bigint not null,             -- raised by each change that staging must see; greater is later
    primary key (system, object, id)
);
