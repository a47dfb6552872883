-- Contacts whose write failed as a whole after all its tries (not refused: a block, a 5xx, no answer). One of them may
-- be why: in the next sync they go apart from the others, and in ever smaller parts (cases C20).
create table synced.suspects (
    contact_id varchar primary key,
    first_at timestamp not null,
    last_at timestamp not null
);
