"""Design-space exploration: spaces, the store, the sweep driver, Pareto fronts."""
