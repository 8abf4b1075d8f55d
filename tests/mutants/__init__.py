"""Planted errors: small patches to the helpers that the named tests must reject."""
