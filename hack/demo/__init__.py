"""The operator guards a real model, step by step: `python -m demo`."""
