"""What a revision is: read from a pod template, compared by content, restored by a JSON Patch. Pure."""
