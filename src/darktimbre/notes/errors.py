"""The error shown to a user when something cannot be done: one sentence, with the remedy in it."""


class UserError(Exception):
    """A mistake or a lack on the user's side; the command line prints its sentence and ends with status 2."""
