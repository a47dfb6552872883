"""Runs what people ask for besides a sync: check, why, history, audit, retry, rebuild, offboard."""
