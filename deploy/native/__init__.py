"""The real services, started natively: Kafka, Redis, PostgreSQL. The standard library suffices."""
