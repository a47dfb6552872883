"""Opens an account's file; one transaction at a time, on the disk before the next step (notices.md 7.1, R46)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.platform.run import Run


class AccountStore:
    """One account's file, as one merchant's run uses it.

    Attributes:
        account: whose file it is. merchant: id of the merchant whose run it is.
    """

    def __init__(self, folder: Path, account: GupshupAccount, merchant: str) -> None:
        """Name the place; made where it is not there, 0700 and 0600."""
        self.path = folder / "account.sqlite"
        self.account = account
        self.merchant = merchant

    @classmethod
    def of(cls, run: Run, account: GupshupAccount) -> AccountStore:
        """Return the file below the run's data folder: `accounts/ID/account.sqlite`."""
        return cls(run.warehouse.data_dir / "accounts" / account.id, account, run.merchant.id)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for looking."""
        raise NotImplementedError

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in one transaction that is on the disk when the block ends; an error undoes it."""
        raise NotImplementedError

    def hashed(self, phone: str) -> str:
        """Return the salted hash of a phone (E.164), the same for all merchants of the account."""
        raise NotImplementedError
