-- What comparing all three sides found: what is wanted, what was accepted, what stands there. It names nobody.
create schema if not exists synced;

create table if not exists synced.reconciled (
    run_id varchar not null,
    made_at timestamp not null,
    how varchar not null,                -- listing, or single reads
    requests bigint not null,
    contacts bigint not null,            -- that were compared
    same bigint not null,                -- values that stand as they should
    ours bigint not null,                -- the next sync writes them
    theirs bigint not null,              -- edited there
    both_sides bigint not null,
    fields varchar not null              -- JSON: field -> what -> how many values
);
