"""Does what goes beyond one run: fleet, onboarding, webhooks, receiver, worker; rebuilds files, removes merchants."""
