"""What the command line's commands do: configuration, consent, store and runner put together, and the result told."""
