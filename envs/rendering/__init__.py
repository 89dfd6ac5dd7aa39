"""Images of Fetch tasks. Nothing here is imported where none are rendered, but the names of cameras."""
