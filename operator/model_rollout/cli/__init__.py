"""The command line: composes the operator and starts it."""
