"""Training of networks on simulated pairs."""
