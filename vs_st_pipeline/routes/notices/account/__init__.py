"""Keeps what belongs to an account that sends for merchants: `accounts/<id>/account.sqlite` (routes.md R46).

schema   its tables
store    opens it, one transaction at a time, whichever process or merchant asks
claims   a message is claimed here before it leaves, for good (7.1)
taking   callbacks of the inbox -> receipts, replies, consents, template events, billing events (3.4)
copying  a merchant's own part -> its database
"""
