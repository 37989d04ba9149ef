"""`throttleprobe watch`: measuring again and again, unattended, and showing what came of it."""
