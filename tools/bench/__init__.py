"""`tieout bench`: how fast the path is, as ratios to raw PostgreSQL and raw Kafka measured in the same run."""
