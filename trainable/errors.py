"""What can go wrong on a device, told in one line.

TrainableError
├── SourceError      the problem cannot be found or loaded
├── ContractError    it was loaded, and breaks the contract of `shoal.trainable.problems.problem`
├── PrunerError      there is no such pruner
├── CheckpointError  a checkpoint of a pack cannot be read or written
└── CompileError     there is no compiler, or it does not take the program
    └── CompilerHangs    it does not end
"""

from __future__ import annotations

import re
import signal
import threading

MAX_LETTERS = 1000
"""Length of an error in one line: each row of its pack holds it."""


class TrainableError(Exception):
    """Root of the errors of `trainable`; the message is one line for the user."""


class SourceError(TrainableError):
    """The problem cannot be found or loaded."""


class ContractError(TrainableError):
    """The problem breaks the contract; the message names the line of its file."""


class PrunerError(TrainableError):
    """There is no such pruner, or it has no such parameter."""


class CheckpointError(TrainableError):
    """A checkpoint of a pack cannot be read or written."""


class CompileError(TrainableError):
    """There is no compiler, no place for what it makes, or it does not take the program."""


class CompilerHangs(CompileError):
    """The compiler does not end; in another folder it would not either."""


def one_line(error: BaseException) -> str:
    """The type and the first full line of `error`'s message, with no line break in it, and nothing
    that is not UTF-8; of a very long line the beginning."""
    lines = [line.strip() for line in _message(error).splitlines() if line.strip()]
    name = type(error).__name__
    told = f"{name}: {lines[0]}" if lines else name
    told = told if len(told) <= MAX_LETTERS else f"{told[:MAX_LETTERS]}..."
    return told.encode(errors="backslashreplace").decode()


def _message(error: BaseException) -> str:
    """What an error says of itself, which may fail too."""
    try:
        return str(error)
    except Exception as worse:
        return f"it does not say what it is ({type(worse).__name__})"


def is_told_to_end(error: BaseException) -> bool:
    """Whether this process is to end, by a signal or by Ray, and nothing of its code is wrong."""
    if isinstance(error, KeyboardInterrupt):  # of a signal, which only the main thread hears
        main = threading.current_thread() is threading.main_thread()
        return main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    return isinstance(error, SystemExit) and hasattr(error, "ray_terminate_msg")


_HINTS = (
    (
        r"\.item\(\)",
        "it calls .item(), float() or int() on a tensor; keep it a tensor",
    ),
    (
        r"data-dependent control|Boolean value",
        "`if` or `while` on a tensor; use torch.where(condition, a, b)",
    ),
    (
        r"random operation|randomness error mode",
        "it draws random numbers; write batch = 128 for batches, noise(self, seed, step) for noise",
    ),
    (
        r"dynamic shape|boolean mask|nonzero",
        "a shape that depends on values (a boolean mask?); multiply by it, or use torch.where",
    ),
    (
        r"inplace|in-place",
        "it writes in place; make a new tensor, as by x = x + 1 for x += 1, or torch.stack",
    ),
    (
        r"numpy\(\)|__array__|__array_wrap__|np\.|numpy\.|NumPy|data pointer",
        "it calls numpy, which takes no stacked tensors; use torch's function of that name",
    ),
    (
        r"\.backward\(\)|does not require grad",
        "it calls .backward() or torch.autograd; write the gradient by hand, or by torch.func.grad",
    ),
    (
        r"could not infer output dtype|[Cc]an only calculate the mean",
        "it takes the mean of whole numbers or truth values; make them floating-point, by .float()",
    ),
    (
        r"same dtype|expected scalar type|must have the same data ?type",
        "it multiplies tensors of different dtypes; make those of data(), of self and those made "
        "here follow the parameters, as by x.to(w.dtype) or dtype=w.dtype",
    ),
    (
        r"same device|on different device",
        "it mixes devices; make tensors on the parameters' device, as by device=w.device",
    ),
)
"""What torch says of code that cannot be stacked or traced, and what to do about it."""


def explained(error: BaseException) -> str:
    """What an error that torch raised inside ``loss_and_gradient`` means, in one line."""
    text = _message(error)
    return next((hint for pattern, hint in _HINTS if re.search(pattern, text)), one_line(error))
