"""The supervisor: the one place that knows everyone."""
