-- What started each run that wrote: `vs-st history` tells it. Runs of earlier versions have no row.
create table synced.runs (
    run_id varchar primary key,
    trigger varchar not null             -- command, schedule, backfill, hint
);
-- Targets that lost something by a targeted sync, and when: the brake counts them for a day, in every plan.
create table synced.losses (
    system varchar not null, object varchar not null, id varchar not null,
    lost_at timestamp not null,
    run_id varchar not null,
    primary key (system, object, id)
);
