"""Networks and the one trainer; torch is imported only where a network is built."""
