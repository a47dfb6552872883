-- What SoPost said. Times are by VS_ST_NOW, UTC. word, status_word: event and status trimmed, casefolded, runs of blanks
-- as one.
create table raw.sopost_events (
    event_key varchar primary key,       -- JSON of event_id, order_id, event; without an event_id, of the inbox's entry
    seq bigint not null,                 -- order of arrival
    order_id varchar not null,           -- small letters
    event_id varchar not null, event varchar not null, activity_id varchar not null,  -- '' where absent
    word varchar not null,
    received_at timestamp not null
);
create table raw.sopost_orders (
    system varchar not null, object varchar not null, id varchar not null,  -- sopost, orders, id in small letters
    asked_id varchar not null,           -- as it was first given
    first_seen_at timestamp not null,
    first_seen_by varchar not null,      -- webhook, import
    first_class varchar,                 -- class of its first event, if that was its first sight; null: import
    first_event_at timestamp,            -- receipt of its first event, if any
    imported boolean not null default false,  -- asked for by an import before it was read
    consented_at timestamp,              -- as the import says it, if the import was its first sight
    may_create boolean not null,         -- by webhook, or import --create
    last_seq bigint not null default 0,  -- of its newest event; 0: none
    seen_seq bigint not null default 0,  -- last_seq when the request of the last try left: later events are news
    body varchar,                        -- JSON object, without an envelope; null: not stored, or reduced
    body_sha256 varchar,                 -- of that text; stays where the body is reduced
    kept varchar,                        -- keys that the last answer lacked and the one before had (routes.md R23)
    status varchar,                      -- of the last usable read, as SoPost writes it
    status_word varchar,
    class varchar,                       -- of status, by the settings when it was read
    activity_id varchar,
    read_at timestamp,                   -- of the last usable read
    left_at timestamp,                   -- when the request of the last try left
    tries integer not null default 0,    -- in a row without an answer that settles it
    last_try varchar,                    -- read, pending, other_activity, not_found, not_visible, unreadable
    next_try_at timestamp,               -- null: nothing is due by time
    was_approved boolean not null default false,  -- a read was approved
    gave_up boolean not null default false,
    changed bigint not null default 0,   -- raised by each change that staging must see; greater is later; 0: none yet
    primary key (system, object, id)
);
