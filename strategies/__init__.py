"""Strategy plug-ins: from scores to target weights."""
