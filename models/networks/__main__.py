"""Print the table of networks as Markdown: ``python -m models.networks``."""

from models.networks.catalogue import table

print(table(), end="")
