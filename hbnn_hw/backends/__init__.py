"""Back ends: each reads a lowered graph and nothing else."""
