"""Takes inbound deliveries of external processors, byte for byte."""
