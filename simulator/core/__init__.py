"""The pure core: events on a timeline. No I/O, no asyncio, no clock, no files; time is an argument."""
