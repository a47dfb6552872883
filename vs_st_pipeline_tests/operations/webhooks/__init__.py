"""Tests of our webhooks: registered, listed, tested, rotated, removed."""
