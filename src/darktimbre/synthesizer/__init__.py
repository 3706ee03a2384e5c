"""Bundle → sound: the one way from a trained instrument to sound. Knows no teacher, no corpus, no objective."""
