"""Bring `state.sqlite` to the newest schema. Imports SQLAlchemy and Alembic, so only when there is something to do."""

from __future__ import annotations

from pathlib import Path

from bartizan.core.errors import StoreError


def upgrade(path: Path, version: int) -> None:
    """Run the missing steps up to `version`, all or none, and write it into the file (PRAGMA user_version)."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"isolation_level": None})
    # The driver would begin late and commit before DDL; saying BEGIN ourselves makes the whole upgrade one transaction.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, f"{version:04d}")
            connection.exec_driver_sql(f"PRAGMA user_version={version:d}")
    except SQLAlchemyError as error:
        raise StoreError(f"{path.name}: the schema could not be brought up to date: {error}") from error
    finally:
        engine.dispose()
