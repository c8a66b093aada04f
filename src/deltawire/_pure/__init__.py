"""The readable twin: the specification, the fallback, and the type information."""
