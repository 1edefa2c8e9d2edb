"""The training commands: one LightningCLI, the run's folder, loggers, and readable errors."""
