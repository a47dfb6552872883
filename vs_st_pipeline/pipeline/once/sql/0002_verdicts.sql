-- The brake's verdicts are kept in one place for all routes.
insert or replace into synced.verdicts by name select * from once.verdicts;
insert into synced.allowed by name select run_id, allowed_by, allowed_at, part || ', ' || rule as refused from once.allowed;
drop table once.verdicts;
drop table once.allowed;
