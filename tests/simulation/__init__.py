"""Whole runs of the simulator: that nothing breaks, and that what is broken on purpose is found."""
