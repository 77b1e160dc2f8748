"""One adapter per external processor, all behind the same port."""
