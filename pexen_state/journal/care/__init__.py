"""Looking after a journal: proofs, copies, old runs deleted, space given back."""
