"""What is watched while a model trains: losses, scores, speed and memory."""
