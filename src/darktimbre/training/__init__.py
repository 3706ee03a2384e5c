"""Recipes, schedules, steps, the loop, checkpoints, journal: corpus + tags → networks × objectives → bundle."""
