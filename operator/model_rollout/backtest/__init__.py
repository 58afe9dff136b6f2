"""Replays a policy over what Prometheus remembers: when it would have acted, and why.

The product's own gather and decision code runs on a simulated clock against a recorded Prometheus
and a simulated cluster. Read-only: nothing is installed, and no cluster is asked.
"""
