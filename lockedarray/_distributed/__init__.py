"""Arrays between machines: who owns one, what travels to it, what if a machine dies."""
