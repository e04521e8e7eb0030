"""Unrolled layers near the area limit, from weights to a netlist of LUTs and carry chains.

:mod:`.terms` recodes the rows against a total that they share, :mod:`.sharing` adds up once what several
rows have in common, :mod:`.chains` compresses bit heaps at two bits per LUT, :mod:`.decisions` compares them
with thresholds, :mod:`.joints` puts chains in rows, :mod:`.plan` tries structures and takes the cheapest by
LUTs and :mod:`.sites`, :mod:`.stages` cuts the netlist into pipeline stages. None of it needs Amaranth or a
synthesis tool.
"""
