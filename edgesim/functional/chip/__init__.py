"""The sound arithmetic of a chip: what its codes, sums, words and tables make of a trace."""
