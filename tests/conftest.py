"""Makes the modules beside this file, such as `synthetic_results`, importable in every test."""
