"""Model rollout operator: guards model deployments by the evidence of their quality metrics."""

__version__ = "0.1.0"
