"""Slow references of fast code, written plainly: tests run both on the same input."""
