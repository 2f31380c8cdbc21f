"""Commands that run the model of a config."""
