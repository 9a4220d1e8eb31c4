"""Code that the ingress and the workers share: settings, database, models, states, tasks, retries, enqueue, SQL."""
