-- Days of which the order search shows less than there may be: how many orders and rows it showed, when it was last
-- asked, since when that is so, and whether it is told (else the page is only as short as pages are that may be cut).
create table raw.unseen_windows (
    day date primary key, shown integer not null, lines integer not null, asked_at timestamp not null,
    since timestamp not null, told boolean not null
);
