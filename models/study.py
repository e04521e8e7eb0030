"""A study: a question, the recipes that answer it, and the seeds that it is asked with."""

from __future__ import annotations

from dataclasses import dataclass

from models.recipe import Recipe

SEEDS = (0, 1, 2)
FEWER_SEEDS = (0, 1)
"""Of the reviewers' questions, which are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One table of the results page.

    Attributes
    ----------
    name
        For the command line and the picture's file.
    title
        Heading; for a reviewers' question, the question.
    text
        What is the same in all rows, and what to know when reading the table.
    recipes
        One row each, the row to compare with first.
    seeds
        Training seeds, one run each.
    answer
        What the runs say; to be read again when they are repeated with other settings.
    """

    name: str
    title: str
    text: str
    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...] = SEEDS
    answer: str = ""
