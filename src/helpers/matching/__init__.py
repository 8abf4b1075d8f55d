from helpers.moved import attribute as __getattr__

__all__ = ["__getattr__"]
