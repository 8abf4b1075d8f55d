"""Approximate nearest neighbours (chapter 13); the contract is in helpers/index.py."""
