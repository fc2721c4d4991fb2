"""Schedules: when and by which rule the masks of a model are set while it is trained, each from its paper."""
