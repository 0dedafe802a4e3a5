"""Processes that may hang, die or eat memory without harm to the rest."""

from bartizan.workers.pool import Lost, Pool, cores

__all__ = ["Lost", "Pool", "cores"]
