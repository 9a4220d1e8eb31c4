"""What the ingress and the workers agree on: settings, database, models, states, tasks, retries, enqueue, SQL."""
