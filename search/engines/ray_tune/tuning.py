"""Packs as trials of Ray Tune: a searcher that suggests packs, and a scheduler that starts them.

Three things together, since each alone loses workers or stands still:

- The searcher limits itself to the slots that are alive. (A concurrency limit of Tune's own knows
  nothing of a node that left.)
- The scheduler starts the newest pending trial. A freed worker then takes a new pack, and a pack
  whose own worker is still starting keeps it; by Tune's own order, the freed worker would take
  the waiting pack and its starting worker would be given up.
- While packs are to come, a worker without one gets an idle pack, since one answer of None makes
  Tune end a worker for good. The scheduler stops it as soon as there is work that its host can do.

Tune saves nothing in flight, and runs no pack again by itself here: a pack whose worker died comes
back to the driver, which knows its checkpoint and hands it out anew.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from shoal.search.engines import EngineCallbacks
from shoal.search.engines.ray_tune import private
from shoal.search.engines.ray_tune.cluster import Cluster
from shoal.search.engines.ray_tune.hands import Hands
from shoal.search.errors import EngineError
from shoal.search.process import quiet
from shoal.trainable.hosts import IDLE, PackTrainable, ring
from shoal.trainable.task import Recipe

SAVE_SECONDS = 30.0
"""How long workers get to save what they have in hand."""

PATIENCE_SECONDS = 20.0
"""When to tell that no worker has come."""

MAX_IDLE_SECONDS = 1.0
"""How long an idle worker may take to see that there is a pack for it, however many there are."""

MAX_PENDING = 1 << 20

NODE_DIED = "node has died"
"""What Ray says of an actor that went with its node."""


def idle_seconds(slots: int) -> float:
    """Return how long an idle worker sleeps before it asks for a pack; asking costs the driver some
    milliseconds.

    Args:
        slots: how many workers there may be.
    """
    return min(MAX_IDLE_SECONDS, 0.02 * max(1, slots))


class Enough(Exception):
    """The search is whole, or was told to stop and all that could be saved has come back.

    Left to itself, Tune would write a record of each trial now, which takes as long as some calls.
    """


class Gone(BaseException):
    """A Ray of our own has ended: no Exception, for which Tune would tidy up and wait for it."""


class NotSaved:
    """Makes an object that Tune pickles for its own restore, which is never used, pickle as
    nothing."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class PackSearcher(NotSaved, Searcher):
    """Suggests packs to Tune.

    Args:
        search: names this search among those on the same Ray.
    """

    def __init__(
        self, driver: EngineCallbacks, hands: Hands, recipe: ray.ObjectRef[Recipe], search: str
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._driver, self._hands, self._recipe, self._search = driver, hands, recipe, search

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        hands = self._hands
        if hands.rounds.whole or hands.rounds.halted:
            return str(Searcher.FINISHED)
        if hands.full:
            return None
        pack = None if hands.owes_idle() else hands.rounds.take()
        if pack is not None:
            hands.packs[trial_id] = (pack, time.monotonic())
            return {
                "pack": pack.name,
                "task": self._driver.task(pack),
                "recipe": self._recipe,
                "search": self._search,
            }
        if hands.rounds.exhausted and not hands.owes_idle():
            return None
        hands.bench()
        hands.idle.add(trial_id)
        return {"pack": IDLE, "seconds": idle_seconds(hands.slots)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._hands.idle.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        return None

    def restore(self, checkpoint_path: str) -> None:
        return None


class NewestFirst(NotSaved, FIFOScheduler):
    """Starts the newest pending trial, and stops idle packs when there is work."""

    def __init__(self, hands: Hands) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray has no types
        self._hands = hands

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        if not any(t.status == Trial.PENDING for t in tune_controller.get_live_trials()):
            return None  # most often; the list of all trials grows
        trials: list[Trial] = tune_controller.get_trials()
        return next((t for t in reversed(trials) if t.status == Trial.PENDING), None)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        waiting = any(t.status == Trial.PENDING for t in tune_controller.get_live_trials())
        done = self._hands.idle_may_end(
            trial.trial_id, str(result.get("hostname")), waiting=waiting
        )
        return str(TrialScheduler.STOP if done else TrialScheduler.CONTINUE)


class Returns(NotSaved, tune.Callback):
    """Takes outcomes out of Tune's results, so that Tune never stores arrays; and tells the user
    when workers die or do not start."""

    def __init__(self, driver: EngineCallbacks, hands: Hands, search: str) -> None:
        self._driver, self._hands, self._search = driver, hands, search
        self._began: float | None = time.monotonic()  # None: a worker has come, or it was told
        self._rang: float | None = None
        self._listens = False
        self.raised: list[Exception] = []  # Tune hides the errors of callbacks in its own

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        outcome = result.pop("outcome", None)
        if outcome is not None and trial.trial_id in self._hands.packs:
            pack, since = self._hands.packs.pop(trial.trial_id)
            if outcome.fault is None:
                self._hands.works(outcome.node)
            else:
                self._hands.fails(outcome.node)
            trial.config.clear()  # Tune keeps it to the end, and with it the lanes in Ray's store
            with self._kept():
                self._driver.given(pack, outcome, time.monotonic() - since)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._hands.idle.discard(trial.trial_id)
        if trial.trial_id in self._hands.packs:
            pack, since = self._hands.packs.pop(trial.trial_id)
            with self._kept():
                self._driver.died(
                    pack, time.monotonic() - since, node=NODE_DIED in _error_of(trial)
                )

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._began = None

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if not self._listens:  # Tune has set handlers of its own by now
            self._listens = True
            self._driver.listen()
        if self._hands.gone is not None:
            raise Gone
        with self._kept():
            self._driver.tick(self._hands.slots)
            if self._hands.rounds.whole:
                raise Enough
            if self._driver.stopped():
                self._collect(trials)
        if self._began is not None and time.monotonic() - self._began > PATIENCE_SECONDS:
            self._began = None
            self._driver.say(
                f"no worker has started in {PATIENCE_SECONDS:.0f} s: "
                f"{self._hands.free()} are free; waiting on"
            )

    def _collect(self, trials: list[Trial]) -> None:
        """Tell the workers to save, and wait for those that run a pack."""
        if self._rang is None:
            self._rang = time.monotonic()
            ring(self._search)
        packs = self._hands.packs
        running = any(t.status == Trial.RUNNING and t.trial_id in packs for t in trials)
        seconds = max(SAVE_SECONDS, self._driver.recipe.grace + SAVE_SECONDS / 2)
        if not running or time.monotonic() - self._rang > seconds:
            raise Enough

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.raised.append(error)
            raise


def _error_of(trial: Trial) -> str:
    """Return Ray's message about why a trial ended."""
    try:
        return Path(str(trial.error_file)).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def run_on_ray(driver: EngineCallbacks, cluster: Cluster, *, workers: int | None) -> None:
    """Run the packs of `driver` on `cluster` until every fit has ended, or it is told to stop.

    Args:
        workers: packs at once; None: as many as the cluster has slots.

    Raises:
        EngineError: Ray went away.
    """
    rounds, recipe, search = driver.rounds, driver.recipe, secrets.token_hex(8)
    hands = Hands(rounds, cluster, workers, recipe.resources)
    returns = Returns(driver, hands, search)
    tuner = tune.Tuner(
        tune.with_resources(PackTrainable, recipe.resources),
        tune_config=tune.TuneConfig(
            search_alg=PackSearcher(driver, hands, ray.put(recipe), search),
            scheduler=NewestFirst(hands),
            num_samples=-1,
            max_concurrent_trials=MAX_PENDING,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(cluster.temp / "storage"),
            verbose=0,
            callbacks=[returns],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        with (
            private.uncounted(),
            private.asking_less(),
            quiet("ray.tune", logging.CRITICAL),
        ):
            tuner.fit()  # deaths are told by us
    except Gone:
        raise EngineError(f"Ray went away: {hands.gone}") from None
    except Exception as error:
        if returns.raised:
            if isinstance(returns.raised[0], Enough):
                return
            raise returns.raised[0] from None
        if rounds.error is not None:
            raise rounds.error from None
        raise EngineError(f"Ray went away: {' '.join(str(error).split())}") from error
