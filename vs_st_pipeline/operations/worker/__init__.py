"""Turns hints into targeted syncs within seconds: what is due, whose turn it is, and what comes after a failure.

roster      who has hints worked on: merchants and their routes, as the settings are now
turns       whose turn it is: pure functions of what waits and of the time
targeted    one turn: hints that cost nothing, hints handed over, one targeted sync
rounds      `work_once`, and the loop of `vs-st work`
upkeep      what a process that runs all the time does besides
looks       opt-in looks: what no webhook tells is asked for now and then
"""
