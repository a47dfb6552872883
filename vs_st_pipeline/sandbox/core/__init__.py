"""What all stand-ins share: the server, its switches and faults."""
