"""The `adapt` command. It stands on top of everything; `main` and `options` import no torch before they have to."""
