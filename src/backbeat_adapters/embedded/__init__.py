"""A queue, a store, a cache, a coordinator and locations without servers: one state directory, durable."""

from backbeat_adapters.embedded.engine import EmbeddedEngine
from backbeat_adapters.embedded.location import DirectoryLocation

__all__ = ["DirectoryLocation", "EmbeddedEngine"]
