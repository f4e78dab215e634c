"""The thin shell: sockets, clocks and loops around the pure core."""
