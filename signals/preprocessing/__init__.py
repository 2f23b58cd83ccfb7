"""Steps of preprocessing and their compiled parts; :mod:`signals.preprocess` chains them."""
