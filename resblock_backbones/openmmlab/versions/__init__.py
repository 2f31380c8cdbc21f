"""What is installed, and where MMCV's operators come from."""
