"""A queue, a store, a cache, a coordinator and locations without servers: one state directory, durable."""

from backbeat_adapters.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
