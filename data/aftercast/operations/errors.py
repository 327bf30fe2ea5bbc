"""The tree of errors: each says what happened and what to do, and each class says who catches it."""

from __future__ import annotations


class AftercastError(Exception):
    """Base of every error a user may meet; caught at the outermost edge (command line, service).

    Parameters
    ----------
    message
        What happened, where, how many, one example; at most two sentences, never a payload.
    hint
        What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(AftercastError):
    """Settings or fleet spec are wrong; caught by the command line before any work starts."""


class WorkspaceError(AftercastError):
    """The workspace folder is missing, broken or in use; caught by the command line."""


class InputError(AftercastError):
    """Data handed in cannot be read as the table it claims to be; caught by the ingest flow and the command line."""


class StoreError(AftercastError):
    """The store cannot answer (unknown version, missing table); caught by flows and the service."""


class LookAheadError(AftercastError):
    """Something asked for the future of its cutoff; never caught: it is a defect or a leak."""


class NotEnoughDataError(AftercastError):
    """Too little history, too few failures or a horizon longer than the data; caught by train and backtest."""


class ModelMismatchError(AftercastError):
    """A model was trained on other features, components or horizons than it is asked for; caught by score and serve."""


class NotFoundError(AftercastError):
    """A device, customer, model or list does not exist; caught by the service as 404."""


class TooManyListsError(AftercastError):
    """Different risk lists of one cutoff would fill the database; caught by the service as 409."""
