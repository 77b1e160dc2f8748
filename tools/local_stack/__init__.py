"""The whole system as local processes: PostgreSQL, a KRaft broker and every service under supervisord."""
