-- Run once, when the database is made: MLflow and Optuna both keep a table `alembic_version`, so each has its own database.
CREATE DATABASE optuna;
