"""Folding search: PE and SIMD of every layer for a target rate, or the fastest network that fits a device."""

from hbnn_hw.search.budget import Budget
from hbnn_hw.search.search import FoldingSearch, LayerChoice, SearchGoal, SearchResult
from hbnn_hw.search.text import search_text

__all__ = ["Budget", "FoldingSearch", "LayerChoice", "SearchGoal", "SearchResult", "search_text"]
