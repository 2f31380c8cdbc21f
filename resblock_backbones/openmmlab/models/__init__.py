"""Models of configs: registry, channels, weights."""
