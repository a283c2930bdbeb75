"""Cycle-exact model of the released EdgeBERT SystemC: matmul path, special functions, AXI."""
