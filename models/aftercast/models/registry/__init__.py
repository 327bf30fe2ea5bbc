"""Models kept: MLflow runs, registered versions, the champion, and a copy for times without a registry."""
