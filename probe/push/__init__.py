"""Sending results to where the person asked: remote write for what is behind NAT, a Pushgateway for one-shots in CI."""
