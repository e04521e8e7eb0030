"""Hold every level against the golden model: C simulation, RTL simulation, proofs."""
