"""Toy systems and routes: what the toolkits promise, proved without any real system's ways."""
