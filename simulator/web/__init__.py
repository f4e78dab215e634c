"""Pages that a browser opens by itself: no framework, no network."""
