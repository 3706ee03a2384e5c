"""What is trained: each module here holds a task, found by `tasks.base`, with its part of the recipe."""
