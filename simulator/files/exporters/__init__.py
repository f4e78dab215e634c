"""Exporters: recordings in the formats of other tools, and a line for everything that those cannot say."""
