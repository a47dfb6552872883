"""What people ask for besides a sync."""
