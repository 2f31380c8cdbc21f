"""Commands for data, configs and the installation."""
