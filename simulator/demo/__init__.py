"""The demonstration: a small staging of our own, and a client of it."""
