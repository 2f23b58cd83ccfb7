"""Overlays: what target weights of any strategy go through before they are ordered."""
