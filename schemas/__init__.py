"""The contract between the services: topics, event schemas, examples, and the classes generated from them."""
