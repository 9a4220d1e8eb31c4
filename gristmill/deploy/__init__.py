"""Files that deploy the platform with the queues of all plugins: Compose, Kubernetes, a Procfile, a Dockerfile."""
