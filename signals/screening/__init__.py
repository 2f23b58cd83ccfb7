"""The laboratory of factors: evaluation, significance, selection, pages; :mod:`signals.screen` brings them together."""
