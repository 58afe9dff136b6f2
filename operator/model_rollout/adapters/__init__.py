"""All input and output: each package implements ports against one outside system."""
