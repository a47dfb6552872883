-- What each target was planned by: whoever's inputs hash to the same needs no new plan.
create table planned.inputs (
    system varchar not null, object varchar not null, id varchar not null,
    inputs ubigint not null,             -- hash of all that its plan was made from
    named varchar,                       -- the source's record that it says it stands for; `-1`: not a record's id
    written varchar,                     -- the one that the ledger says it stands for, where it is another
    subjects varchar,                    -- all that it may stand for, each between spaces; null: none
    share varchar                        -- what at most one target may have: whoever wants the same is planned with it
);
-- One row: how far the history went when the plan was made, and a fingerprint of all that it was made from.
create table planned.basis (history bigint not null, fingerprint varchar not null);
