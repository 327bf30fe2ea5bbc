-- Run once by the PostgreSQL image, when its volume is empty: MLflow keeps runs and models in a database of its own.
CREATE DATABASE mlflow;
