"""Keeps webhook calls on the disk before anybody is answered, and hints until they are settled.

disk        refuses a network disk
gauges      what waits and how long hints took, as Prometheus text
questions   lists hints as people see them
schema      the tables
statistics  how many hints there are, how fast and how well they are settled, by the hour and by the merchant
store       the inbox: what the receiver stores, what syncs claim and settle, what people look at
yielding    when a whole sync gives way to a hint
"""
