"""Bundle → sound: the one road by which a trained instrument is heard. Knows no teacher, no corpus, no objective."""
