"""Long resumable jobs over several rooms: quickstart, experiments, validation while a run trains."""
