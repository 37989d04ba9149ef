"""What does the probe call itself towards the servers it contacts?"""

from probe import __version__

USER_AGENT = f"throttleprobe/{__version__} (network measurement)"
