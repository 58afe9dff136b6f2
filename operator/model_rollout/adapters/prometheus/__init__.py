"""Prometheus, or anything that speaks its query API."""
