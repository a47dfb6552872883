"""What every connector and every route keeps, held of each member of the two tuples as soon as it stands in one.

`members.py` says who the members are: those of `CONNECTORS` and `ROUTES`, and toys, which prove that a contract fits
other members than today's, and can fail. What a contract has to know of a member's world (how its stand-in is started,
what it has taken) is a `Bench`; a route without one fails `test_every_route_has_a_bench`.
"""
