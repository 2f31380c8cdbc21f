"""How detections are evaluated in a run."""
