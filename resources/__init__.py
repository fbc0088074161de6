"""What the graph needs from outside, as Dagster resources: home folder, frame store, models, tracking, the line's lock."""
