"""The worlds that the stand-ins begin with."""
