"""stagesim: record staging, replay it offline, break it on demand."""

__version__ = "0.1.0"
