"""The fast twin, in Cython: the same modules and public names as `_pure`."""
