"""The stand-in for SimpleTexting."""
