"""Stencils: what they learn, what they match, what they build; and that nobody can tell."""
