"""How all merchants are, when each is due, and who is told."""
