"""HubSpot's connector, against its stand-in."""
