"""Commands to begin with: data, configs, what is installed."""
