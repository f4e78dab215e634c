"""Laws are judged by what is true, and not by how long a loaded machine took to find out."""

from hypothesis import settings

settings.register_profile("stagesim", deadline=None)
settings.load_profile("stagesim")
