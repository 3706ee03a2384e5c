"""One thin file per verb. Rooms are imported inside the verbs, so that help and errors come at once."""
