"""The contract suite: what every signal is held against."""
