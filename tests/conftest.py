"""Makes the modules beside this file, such as `synthetic_results`, importable in every test."""

from hypothesis import settings

settings.register_profile("edgesim", deadline=None)  # a shared machine may stall for seconds
settings.load_profile("edgesim")
