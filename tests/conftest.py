"""What every room's tests share."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from databases import database_url, migrated_file, migrated_url
from postgres_server import postgres_server

__all__ = ["database_url", "migrated_file", "migrated_url", "postgres_server"]

# Programs that tests start again and again are compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
