-- What the brake says of the plan, part by part.
create table planned.verdicts (
    part varchar not null,               -- what is refused: a kind that was read, a kind that is said, or `all`
    rule varchar not null,
    loss double not null,                -- by the rule's own measure
    sentence varchar not null,
    primary key (part, rule)
);
-- What the brake said in the last sync: this, and no more, a person may let pass.
create table synced.verdicts (
    part varchar not null, rule varchar not null, loss double not null, sentence varchar not null,
    run_id varchar not null, judged_at timestamp not null,
    primary key (part, rule)
);
