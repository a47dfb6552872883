"""Package metadata; tool settings live in pyproject.toml, exact versions in the requirements.lock files."""

import re
from pathlib import Path

from setuptools import find_packages, setup

CODE = Path(__file__).resolve().parent / "vs_st_pipeline" / "__init__.py"
(VERSION,) = re.findall(r'^__version__: Final = "(.+)"$', CODE.read_text(encoding="utf-8"), re.MULTILINE)

setup(
    name="vs-st-pipeline",
    version=VERSION,
    description="Syncs what one system of a merchant knows into another one, by five routes, for many merchants",
    python_requires=">=3.11",
    packages=find_packages(include=["vs_st_pipeline", "vs_st_pipeline.*"]),
    package_data={"vs_st_pipeline": ["py.typed", "**/*.sql", "**/*.yaml", "**/*.json"]},
    install_requires=[
        "apprise>=1.9,<3",
        "click>=8.1",
        "dagster>=1.13,<2",
        "dagster-webserver>=1.13,<2",
        "duckdb>=2.0,<3",
        "filelock>=3.16",
        "httptools>=0.6",
        "msgspec>=0.19",
        "nanoarrow>=0.8",
        "pandas>=2.2",
        "phonenumbers>=9,<10",
        "pydantic>=2.11,<3",
        "pyrate-limiter>=4,<5",
        "PyYAML>=6",
        "requests>=2.32",
        "rich>=13",
        "starlette>=0.40",
        "tenacity>=9",
        "tzdata",
        "uvicorn>=0.36",
    ],
    extras_require={
        "dev": [
            "hypothesis",
            "grimp",
            "import-linter",
            "mypy",
            "pandas-stubs",
            "psutil",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "setuptools",
            "types-PyYAML",
            "types-requests",
            "wheel",
        ],
        # The peers of `make bench`, in an environment of their own: .venv and `make test` never see it.
        "bench": ["dlt[duckdb]>=1,<2", "drt-core[duckdb]>=1.2,<2", "pyarrow>=18"],
        # The site of the documents (`make docs`), in an environment of its own.
        "docs": ["furo>=2025.12", "myst-parser>=5,<6", "sphinx>=9,<10"],
        # More than one box (docs/scale.md): Dagster's storage in PostgreSQL, runs on Celery workers by way of Redis.
        "scale": ["celery[redis]>=5.6,<6", "dagster-celery>=0.29,<1", "dagster-postgres>=0.29,<1"],
    },
    entry_points={"console_scripts": ["vs-st = vs_st_pipeline.cli.entry:main"]},
)
