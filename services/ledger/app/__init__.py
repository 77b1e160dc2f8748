"""The use cases of the books: posting an event, and the questions asked of what was posted."""
