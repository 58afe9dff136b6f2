"""A real Kubernetes control plane, Prometheus and node, without a container engine.

For tests, the demo and development. Everything lives in folders of its own and dies with the
process that started it.
"""
