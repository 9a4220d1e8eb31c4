"""Private servers: real Postgres, Valkey and RabbitMQ on loopback, without root, Docker or system services."""
