"""Sources of data: each writes or reads the store's tables; none knows what a strategy does."""
