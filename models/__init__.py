"""Reference networks: recipes, the command that trains them, and their checkpoints."""
