-- What the generic shop left: which drops were taken, and its posts until they are applied.
create table raw.shop_drops (name varchar not null, taken_at timestamp not null);
