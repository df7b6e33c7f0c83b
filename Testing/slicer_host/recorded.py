"""What a program asked of the user or of the machine while it ran on the host, where nobody answers.

Nothing here blocks or installs: message boxes, file dialogs and installations are noted and answered at once, from the
queues that a test fills beforehand, or as a user would who presses the default button and cancels file dialogs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """A message box or another modal dialog: its class, title, text and the sum of its standard buttons."""

    kind: str
    title: str
    text: str
    buttons: int


@dataclass(frozen=True)
class FileRequest:
    """A call of one of QFileDialog's static functions, with its positional arguments."""

    function: str
    arguments: tuple


@dataclass
class Recorded:
    """Everything that was asked, in order, and the answers to come.

    Attributes:
        button_answers: button codes for the next modal dialogs; a function among them is called with the dialog, in
            which a test can then press something, and returns the code.
        file_answers: paths (or tuples of paths) for the next file dialogs; "" cancels.
        slot_errors: exceptions that left a Python slot. Qt goes on after them, as it does in Slicer.
    """

    messages: list[Message] = field(default_factory=list)
    file_requests: list[FileRequest] = field(default_factory=list)
    button_answers: deque = field(default_factory=deque)
    file_answers: deque = field(default_factory=deque)
    slot_errors: list[BaseException] = field(default_factory=list)
    status_messages: list[str] = field(default_factory=list)
    opened_urls: list[str] = field(default_factory=list)
    installations: list[tuple] = field(default_factory=list)
    torch_installations: list[dict] = field(default_factory=list)
    sample_data_sources: list = field(default_factory=list)
    loader_warnings: list[str] = field(default_factory=list)

    def clear(self) -> None:
        for value in vars(self).values():
            value.clear()

    def raise_slot_errors(self) -> None:
        """Raises the first exception that a slot has left behind since the last call."""
        if self.slot_errors:
            first = self.slot_errors[0]
            self.slot_errors.clear()
            raise first


recorded = Recorded()
