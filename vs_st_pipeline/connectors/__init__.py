"""One folder per system; each knows its own API and nothing of its neighbours."""
