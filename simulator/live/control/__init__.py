"""Control of a running replay: an API of its own, and a part of toxiproxy's.

Nothing here is imported unless it is asked for, for `server` and `toxiproxy` bring a web framework with them.
"""
