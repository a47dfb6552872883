-- What this merchant's accounts do not let us see, and since when; the words are in blind_spots.py.
create table raw.blind_spots (name varchar primary key, since timestamp not null);
