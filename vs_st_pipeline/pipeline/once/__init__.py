"""Makes a route that says each thing once, of an outbox that is the same for all of them (routes.md R19, R35, R38).

items       what is said: kinds, items, answers, and what an unknown outcome becomes
session     hold the route's lock; bring file, evidence and suppression in step
outbox      stored before it is sent; the ledger moves with the answer
delivery    send what is due, in order; settle what is unknown by its kind's rule
claims      a key is claimed once for good, in the evidence file
recovery    after a crash or a loss: what the claims say is put into the outbox
hints       records to be read first; hinted: a sync of these alone
erasure     forget a person; repair: retry, drop, resolve
story       a route that reads, says, and nothing else

What routes with an outbox of their own use as well stands beside this room: the evidence file, when a route is due, the
brake and what a person lets pass (`evidence_file`, `schedule`, `verdicts`).
"""
