"""The simulator against every published, executed or derived figure within reach."""
