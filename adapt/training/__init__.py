"""The training commands: one LightningCLI, the folder of a run, loggers, and errors in words."""
