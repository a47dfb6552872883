"""Registers, lists, tests, rotates and removes our webhooks at the systems that have an interface for that.

site         our URLs and tokens, and whose a registered URL is
compare      what stands there against what is wanted
wanted       which systems can call us, and for which kinds of records
desk         the steps at one system: list, make, list again, only then remove
telling      the same at a system that can be told a URL, and lists none
registering  the same at all systems of a merchant
rotating     counts up the generation of tokens
testing      posts to our own URLs
seen         what was last seen, `webhooks.json`
entry        what is printed of one merchant
leaving      what `vs-st offboard` does first
doubts       what `vs-st check` says of them
"""
