"""Keeps webhook calls on the disk before anybody is answered, and hints until they are settled.

schema      the tables
statistics  how many hints there are, how fast and how well they are settled, by the hour and by the merchant
store       the inbox: what the receiver stores, what syncs claim and settle, what people look at
"""
