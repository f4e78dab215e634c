"""Importers: what other tools recorded, as events, and a line for everything that their formats cannot say."""
