"""Recipes: one typed, frozen, validated description of a run; read from YAML, changed by `key=value`."""
