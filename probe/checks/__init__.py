"""One file per question: each gathers evidence through `ctx.net` and has no opinion about it."""
