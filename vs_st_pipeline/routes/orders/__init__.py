"""Sends paid orders of a shop at Commerce7 to Vinoshipper once, and tells the shop what becomes of them."""
