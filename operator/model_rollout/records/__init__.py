"""Records of what was decided: a hash chain per ModelRollout, and how to verify one. Pure."""
