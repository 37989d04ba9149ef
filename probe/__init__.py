"""Throttleprobe: is this platform reachable, is it slowed, and by what?"""

__version__ = "0.1.0"
