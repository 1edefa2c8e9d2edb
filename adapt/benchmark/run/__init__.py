"""Cells become results: once each, whatever happens. Imports plan, results and training."""
