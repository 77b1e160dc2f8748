"""Takes each protection out of a scratch copy of the tree, and demands that a named test notices."""
