-- The first files held totals of orders as decimals, which round what is finer than ten places. Where one did, its orders
-- are staged again.
update staged.orders set source_hash = '' where typeof(total) <> 'VARCHAR';
alter table staged.orders alter column total type varchar;
