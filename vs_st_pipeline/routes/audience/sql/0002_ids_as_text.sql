-- Ids of a part as a JSON array of text. Each row of a list that is added has DuckDB write into its log the lists of all
-- rows before it, up to 2,048 of them: at 1,000,000 customers that was most of the log, and of the checkpoints.
alter table synced.audience_told alter ids set data type varchar using to_json(ids)::varchar;
alter table synced.audience_parts alter ids set data type varchar using to_json(ids)::varchar;
