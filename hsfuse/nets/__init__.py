"""Networks, their table, and their weights."""
