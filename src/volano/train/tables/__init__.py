"""Training on tables: rows as numbers, linear heads, boosted trees, and a small network."""
