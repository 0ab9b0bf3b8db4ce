"""The deterministic simulator: a whole Backbeat on the memory models, one seed, one thread, virtual time."""

from backbeat_core.testing.simulation.facts import Broken
from backbeat_core.testing.simulation.parts import Parts
from backbeat_core.testing.simulation.profile import Profile, Site
from backbeat_core.testing.simulation.profiles import PROFILES, profile
from backbeat_core.testing.simulation.run import Result, run

__all__ = ["PROFILES", "Broken", "Parts", "Profile", "Result", "Site", "profile", "run"]
