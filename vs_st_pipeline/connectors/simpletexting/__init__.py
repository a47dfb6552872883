"""SimpleTexting: where contacts live and where values are written."""
