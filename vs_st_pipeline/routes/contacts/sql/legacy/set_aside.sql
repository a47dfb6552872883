-- A file of the one lineage that there was before: its tables that get other keys make room for those that replace
-- them. All others stay where they are.
alter table planned.plan rename to legacy_plan;
alter table planned.contacts rename to legacy_contacts;
alter table planned.changes rename to legacy_changes;
alter table planned.notes rename to legacy_notes;
alter table planned.learned rename to legacy_learned;
alter table synced.ledger rename to legacy_ledger;
alter table synced.history rename to legacy_history;
alter table synced.writes rename to legacy_writes;
alter table synced.links rename to legacy_links;
alter table synced.rejects rename to legacy_rejects;
alter table synced.settled rename to legacy_settled;
alter table synced.doubted rename to legacy_doubted;
alter table synced.suspects rename to legacy_suspects;
