"""What was typed as TARGET and which of its tasks are meant."""
