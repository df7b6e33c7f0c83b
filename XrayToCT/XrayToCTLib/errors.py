"""The errors that a user sees: one sentence that names the file and the remedy, and the exit code that goes with it."""

CANCELLED = 130
"""Exit code of what was cancelled."""
CANCELLED_MESSAGE = "Cancelled; nothing half-made was left."


class XrayToCTError(Exception):
    """Base of every error that is reported to the user as one sentence, without a traceback."""

    exit_code = 1


class UnsuitableInput(XrayToCTError):
    """The input cannot be read, or is not what the command works on (exit code 3)."""

    exit_code = 3


class ModelError(XrayToCTError):
    """A model is missing, damaged or not what its name says (exit code 4)."""

    exit_code = 4


class DeviceError(XrayToCTError):
    """The device failed or ran out of memory (exit code 5)."""

    exit_code = 5


class Cancelled(XrayToCTError):
    """The user, or the caller, ended the work (exit code 130)."""

    exit_code = CANCELLED


class WrongUsage(XrayToCTError):
    """A request or a command that is not one (exit code 2)."""

    exit_code = 2


def cause_of(error: BaseException) -> str | None:
    """What lies behind an error, in one line of at most 200 characters; None where nothing does."""
    cause = error.__cause__
    if cause is None:
        return None
    lines = str(cause).strip().splitlines() or [""]
    return f"{type(cause).__name__}: {lines[0]}".removesuffix(": ")[:200]
