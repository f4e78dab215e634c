"""`python -m simulator` is the command `stagesim`."""

from simulator.cli import main

main()
