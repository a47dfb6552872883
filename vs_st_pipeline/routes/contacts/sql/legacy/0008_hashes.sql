-- What stands in a body, in sixteen bytes: whether it changed is seen without reading it. Set wherever the body is set.
alter table raw.vinoshipper_customers add column detail_hash varchar;
alter table raw.vinoshipper_orders add column detail_hash varchar;
alter table raw.vinoshipper_orders add column search_hash varchar;
update raw.vinoshipper_customers set detail_hash = md5(detail_body);
update raw.vinoshipper_orders set detail_hash = md5(detail_body), search_hash = md5(search_body);
