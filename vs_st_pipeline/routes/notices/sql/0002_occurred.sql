-- When what a message tells of occurred: not before, not after. A failed delivery keeps its number by that (3.8).
alter table synced.notices add column occurred_at timestamp;
alter table synced.notices add column occurred_to timestamp;
-- To which number of an account somebody has opted in: with another one it is no opt-in (5.9).
alter table staged.consents add column number varchar;
