"""`python -m probe` is the command `throttleprobe`."""

from probe.cli import main

main()
