-- Customers met so far by a walk over the customer list that is not at its end: it goes on there, not at the beginning.
create table raw.walked (customer_id bigint not null);
