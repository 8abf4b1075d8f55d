"""The shop's door."""

from helpers.shop.simulator import Shop as Shop
