"""An analysis as tables, one module per kind."""
