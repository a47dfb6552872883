"""Commerce7: what is read of it, how, and what of it is believed and kept."""
