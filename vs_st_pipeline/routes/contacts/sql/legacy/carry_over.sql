-- Every row comes into the table that replaces its own, under (system, object, id) in place of a contact's id. Until
-- then a file was of one system on each side, so what it holds is of those two.

insert into planned.plan
select run_id, made_at, map_fingerprint, contacts, fields, unmatched, unsafe,
       json_merge_patch('{}', json_object('contacts', contacts_rows, 'customers', customers_rows))
from planned.legacy_plan order by rowid;

insert into planned.targets by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, p.phone,
       case when p.customer_id is not null then 'vinoshipper' end as subject_system,
       case when p.customer_id is not null then 'customers' end as subject_object,
       cast(p.customer_id as varchar) as subject_id, linked_by, held, newest_order_at as subject_at,
       case when s.birth_date is not null then json_object('birth_date', cast(s.birth_date as varchar)) end as evidence,
       wanted, fingerprint, compared
from planned.legacy_contacts as p left join staged.customers as s using (customer_id) order by p.rowid;

insert into planned.changes by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, * exclude (contact_id)
from planned.legacy_changes order by rowid;

insert into planned.notes
select 'simpletexting', 'contacts', contact_id, note from planned.legacy_notes order by rowid;

insert into planned.learned by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, * exclude (contact_id)
from planned.legacy_learned order by rowid;

insert into synced.ledger by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, * exclude (contact_id)
from synced.legacy_ledger order by rowid;

insert into synced.history by name
select coalesce(seq, rowid) as seq, 'simpletexting' as system, 'contacts' as object, contact_id as id,
       coalesce(event, 'accepted') as event, * exclude (contact_id, seq, event)
from synced.legacy_history order by rowid;

-- The system's own words on which a write rested, and what was heard of it, are its evidence.
insert into synced.writes by name
select send_id, 'simpletexting' as system, 'contacts' as object, contact_id as id, run_id, call, phone, changes,
       json_merge_patch('{}', json_object(
           'status', status,
           'read_at', strftime(read_at, '%Y-%m-%dT%H:%M:%S.%f'),
           'birth_date', cast(birth_date as varchar),
           'task_id', task_id,
           'heard_before', heard_before,
           'heard_after', heard_after)) as evidence,
       sent_at, outcome, settled_at
from synced.legacy_writes order by rowid;

insert into synced.links by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, 'vinoshipper' as subject_system,
       'customers' as subject_object, cast(customer_id as varchar) as subject_id, linked_by,
       newest_order_at as subject_at, linked_at
from synced.legacy_links order by rowid;

insert into synced.rejects by name
select 'simpletexting' as system, 'contacts' as object, contact_id as id, * exclude (contact_id)
from synced.legacy_rejects order by rowid;

insert into synced.settled
select 'simpletexting', 'contacts', contact_id, fingerprint from synced.legacy_settled order by rowid;

insert into synced.doubted
select 'simpletexting', 'contacts', contact_id, why, met_at from synced.legacy_doubted order by rowid;

insert into synced.suspects
select 'simpletexting', 'contacts', contact_id, first_at, last_at from synced.legacy_suspects order by rowid;

drop table planned.legacy_plan;
drop table planned.legacy_contacts;
drop table planned.legacy_changes;
drop table planned.legacy_notes;
drop table planned.legacy_learned;
drop table synced.legacy_ledger;
drop table synced.legacy_history;
drop table synced.legacy_writes;
drop table synced.legacy_links;
drop table synced.legacy_rejects;
drop table synced.legacy_settled;
drop table synced.legacy_doubted;
drop table synced.legacy_suspects;
