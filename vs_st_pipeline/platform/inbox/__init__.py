"""Keeps webhook calls on the disk before anybody is answered, and hints until they are settled.

schema      the tables
store       the inbox: what the receiver stores, what syncs claim and settle, what people look at
yielding    when a whole sync gives way to a hint
"""
