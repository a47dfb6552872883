"""What every run needs from its surroundings: the merchants file, the data folder and the time."""

from __future__ import annotations

import os

from vs_st_pipeline import merchants
from vs_st_pipeline.errors import BadSettings
from vs_st_pipeline.merchants import Merchant, MerchantsFile
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import Warehouse


class Settings:
    """Reads the environment when asked, not when loaded, so that definitions load before there is anything to read.

    A plain object, which Dagster takes for a resource as it is: there is nothing here to configure in a launchpad.
    """

    def merchants_file(self) -> MerchantsFile:
        """The merchants file as it stands now.

        Raises:
            BadSettings: it cannot be read, or no merchant of it is usable.
        """
        return merchants.read_merchants(merchants.settings_path(os.environ), os.environ)

    def warehouse(self) -> Warehouse:
        """One for the whole run: its merchants share one DuckDB instance."""
        return Warehouse(merchants.data_dir(os.environ))

    def run(
        self,
        merchant: Merchant,
        warehouse: Warehouse,
        run_id: str,
        *,
        full: bool = False,
        allow_unsafe: bool = False,
        dry_run: bool = False,
    ) -> Run:
        """A run of one merchant under the id of the Dagster run."""
        merchants.now(os.environ)  # a VS_ST_NOW that is no time is told before anything is asked for
        return Run(
            merchant,
            warehouse,
            lambda: merchants.now(os.environ),
            run_id=run_id,
            full=full,
            allow_unsafe=allow_unsafe,
            dry_run=dry_run,
            fleet_rates=merchants.fleet_rates(os.environ),
        )


def merchant_of(file: MerchantsFile, merchant_id: str) -> Merchant:
    """The merchant of a partition.

    Raises:
        BadSettings: the file has no usable entry for it.
    """
    merchant = file.get(merchant_id)
    if merchant is not None:
        return merchant
    for bad in file.bad_of(merchant_id):
        raise bad.error
    raise BadSettings(
        f"{file.path} has no merchant {merchant_id}: add it again, or wait until its partition is removed"
    )
