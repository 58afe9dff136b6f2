"""A classifier of handwritten digits: how it is trained and how it is served."""
