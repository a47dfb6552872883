"""Takes the calls of all systems for all merchants: on the disk first, then the answer. It calls nobody.

table      the URLs that are taken, made from the merchants file and the secrets (H1, H5, H14)
watch      looks at the merchants file, and keeps the last good table
proofs     headers and signatures that a call may have to bring besides (routes.md R10)
app        the answers H3 to H10, row by row
writer     one thread, many calls in one commit
figures    counters that all processes share, as Prometheus reads them (H13)
lines      a line of ours per call, without any token (H2)
server     uvicorn without what it says of itself, and with an end to connections that say nothing
sockets    listening sockets, opened or taken over
metrics    what Prometheus asks
processes  the beginning and the end: settings, signals, several processes
"""
