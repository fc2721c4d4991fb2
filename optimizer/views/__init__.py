"""Views: the JSON of members, trainings and what was spent, shared by every door."""
