"""The factor library: one file a family, each factor a function of a panel. :mod:`registry` lists them."""
