"""Bugs to plant in the memory models, at least one a law: a law that does not see its bug says nothing."""
