"""What a trained signal is made of: samples, windows, refits, search, kept models."""
