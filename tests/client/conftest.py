import pytest
from harness import Database


@pytest.fixture
def db():
    database = Database()
    yield database
    database.drop()
