"""Signal plug-ins: from what is known at t to a score per stock."""
