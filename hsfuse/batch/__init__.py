"""Many pairs in one run: the list of pairs, the processes that fuse them, and their status."""
