"""Pure judgement: evidence in, verdict out; no network, no clock, no randomness."""
