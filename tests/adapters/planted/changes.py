"""Ways to spoil a function: each takes the original and gives what replaces it."""

from __future__ import annotations


def silent(original):
    """Do nothing where something is to be done."""
    return lambda *args, **kwargs: None


def always(value):
    """Answer the same whatever is asked."""
    return lambda original: lambda *args, **kwargs: value


def returning(change):
    """Change what comes back."""
    return lambda original: lambda *args, **kwargs: change(original(*args, **kwargs))


def given(**forced):
    """Replace keyword arguments."""
    return lambda original: lambda *args, **kwargs: original(*args, **{**kwargs, **forced})
