-- Forgotten people: salted hashes of what named them, so that no later reading stores them again. A copy lies beside
-- this file (forgotten.json): a file that is lost or damaged brings nobody back.
create table raw.forgotten (
    hash varchar primary key,            -- BLAKE2b of `phone 7075550142`, `customer 700101`, ... under the salt
    salt varchar not null,               -- random, one per file as a rule
    kept_on date not null
);
