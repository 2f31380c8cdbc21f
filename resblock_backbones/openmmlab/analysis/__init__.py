"""Pages about the data and the predictions of a config."""
