"""Whether MLflow is there at all, asked once and for seconds: its own tries would last for minutes."""

from pathlib import Path

REACH_SECONDS = 5.0
"""How long a server may take to say anything at all before it is told nothing."""


def is_server(uri: str) -> bool:
    """Whether MLflow is a server there, and no database."""
    return uri.startswith(("http://", "https://"))


def reach(uri: str) -> None:
    """Raises OSError or SQLAlchemyError where the server gives no answer, of whatever kind, or the database does not open."""
    from mlflow.store.db.db_types import DATABASE_ENGINES

    if is_server(uri):
        import requests

        requests.get(f"{uri.rstrip('/')}/health", timeout=REACH_SECONDS)
    elif uri.startswith(tuple(DATABASE_ENGINES)):
        from mlflow.store.db.utils import create_sqlalchemy_engine
        from sqlalchemy import make_url

        if uri.startswith("sqlite") and (file := make_url(uri).database):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        engine = create_sqlalchemy_engine(uri)
        try:
            engine.connect().close()
        finally:
            engine.dispose()
