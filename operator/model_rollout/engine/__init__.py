"""What runs: the store, the one scheduler, and gather → decide → persist → act for one guard."""
