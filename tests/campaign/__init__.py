"""The long campaign: `pytest -m campaign`, described in docs/campaign.md."""
