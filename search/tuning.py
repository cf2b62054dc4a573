"""Ray Tune as the driver of packs: a searcher that suggests packs, and what keeps workers busy.

Three things together, since each alone loses workers or stands still:

- The searcher limits itself to the slots that are alive. (A concurrency limit of Tune's own knows
  nothing of a node that left.)
- The scheduler starts the newest pending trial. A freed worker then takes a new pack, and a pack
  whose own worker is still starting keeps it; by Tune's own order, the freed worker would take
  the waiting pack and its starting worker would be given up.
- While packs are to come, a worker without one gets an idle pack, since one answer of None makes
  Tune end a worker for good. The scheduler stops it as soon as there is work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.cluster import Cluster
from search.errors import EngineError
from search.packs import Pack
from search.rounds import Rounds
from trainable.pack import IDLE
from trainable.pack import Pack as PackTrainable
from trainable.worker import Outcome, Recipe

WORKER_DEATHS = 3
"""How often Tune runs a pack again whose worker died, before it comes back to us."""

SLOTS_SECONDS = 0.5
"""How often the cluster is asked for its slots."""

PATIENCE_SECONDS = 20.0
"""When to tell that no worker has come."""

MOST_PENDING = 1 << 20

Given = Callable[[Pack, Outcome | None, float], None]
"""Called with a pack, its outcome (None: its worker died too often), and the seconds it was out."""


class Hands:
    """What is in workers' hands: packs and idle packs, by Tune's trial id."""

    def __init__(self, rounds: Rounds, cluster: Cluster, workers: int | None, gpu: bool) -> None:
        self.rounds = rounds
        self.packs: dict[str, tuple[Pack, float]] = {}
        self.idle: set[str] = set()
        self._cluster, self._workers, self._gpu = cluster, workers, gpu
        self._slots, self._asked = 0, 0.0

    @property
    def slots(self) -> int:
        """How many packs can run at once, now."""
        now = time.monotonic()
        if now - self._asked > SLOTS_SECONDS:
            alive = self._cluster.slots(self._gpu)
            self._slots = alive if self._workers is None else min(alive, self._workers)
            self._asked = now
        return self._slots

    def free(self) -> str:
        """What of the cluster is free, in words."""
        return self._cluster.free(self._gpu)

    @property
    def full(self) -> bool:
        """Whether no slot is left."""
        return len(self.packs) + len(self.idle) >= max(1, self.slots)

    def idle_may_end(self, waiting: bool) -> bool:
        """Whether an idle worker is wanted for something else, or for nothing any more."""
        over = len(self.packs) + len(self.idle) > max(1, self.slots)
        return self.rounds.ready > 0 or self.rounds.exhausted or (over and waiting)


class NotSaved:
    """Tune pickles its parts for a restore of its own; of these nothing is worth keeping."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class PackSearcher(NotSaved, Searcher):
    """Suggests packs to Tune."""

    def __init__(
        self, hands: Hands, recipe: ray.ObjectRef[Recipe], take: Callable[[], None]
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._hands, self._recipe, self._take = hands, recipe, take

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        hands = self._hands
        if hands.rounds.whole:
            return str(Searcher.FINISHED)
        if hands.full:
            return None
        pack = hands.rounds.take()
        if pack is not None:
            hands.packs[trial_id] = (pack, time.monotonic())
            self._take()
            return {"pack": pack.name, "lanes": ray.put(pack.lanes), "recipe": self._recipe}
        if hands.rounds.exhausted:
            return None
        hands.idle.add(trial_id)
        # a poll of each idle worker costs the driver some milliseconds
        return {"pack": IDLE, "seconds": 0.02 * max(1, hands.slots)}

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
        super().__init__()  # type: ignore[no-untyped-call]
        self._hands = hands

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trials: list[Trial] = tune_controller.get_trials()
        return next((t for t in reversed(trials) if t.status == Trial.PENDING), None)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        waiting = any(t.status == Trial.PENDING for t in tune_controller.get_live_trials())
        done = self._hands.idle_may_end(waiting)
        return str(TrialScheduler.STOP if done else TrialScheduler.CONTINUE)


class Returns(NotSaved, tune.Callback):
    """Takes outcomes out of Tune's results, so that arrays never reach Tune's own state; and tells
    what of Tune's own messages matters: workers that die, and workers that do not come."""

    def __init__(
        self, hands: Hands, given: Given, tick: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._hands, self._given, self._tick, self._say = hands, given, tick, say
        self._began: float | None = time.monotonic()  # None: a worker has come, or it was told

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        outcome = result.pop("outcome", None)
        if outcome is not None and trial.trial_id in self._hands.packs:
            pack, since = self._hands.packs.pop(trial.trial_id)
            self._given(pack, outcome, time.monotonic() - since)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._hands.idle.discard(trial.trial_id)
        if trial.trial_id in self._hands.packs:
            pack, since = self._hands.packs.pop(trial.trial_id)
            self._given(pack, None, time.monotonic() - since)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        if trial.trial_id in self._hands.packs:
            pack, _ = self._hands.packs[trial.trial_id]
            self._say(f"pack {pack.name}: its worker died; it runs again")

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._began = None

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._tick()
        if self._began is not None and time.monotonic() - self._began > PATIENCE_SECONDS:
            self._began = None
            self._say(
                f"no worker has started in {PATIENCE_SECONDS:.0f} s: "
                f"{self._hands.free()} are free; waiting on"
            )


def run_on_ray(
    rounds: Rounds,
    recipe: Recipe,
    cluster: Cluster,
    *,
    workers: int | None,
    take: Callable[[], None],
    given: Given,
    tick: Callable[[int], None],
    say: Callable[[str], None],
) -> None:
    """Run the packs of `rounds` on `cluster` until every lane is told.

    Raises:
        EngineError: Ray went away.
    """
    hands = Hands(rounds, cluster, workers, recipe.gpu)
    raised: list[Exception] = []  # Tune hides the errors of callbacks in its own

    def keep(pack: Pack, outcome: Outcome | None, seconds: float) -> None:
        try:
            given(pack, outcome, seconds)
        except Exception as error:
            raised.append(error)
            raise

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # deaths are told by us
    tuner = tune.Tuner(
        tune.with_resources(PackTrainable, {"gpu": 1} if recipe.gpu else {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=PackSearcher(hands, ray.put(recipe), take),
            scheduler=NewestFirst(hands),
            num_samples=-1,
            max_concurrent_trials=MOST_PENDING,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(cluster.temp / "storage"),
            verbose=0,
            callbacks=[Returns(hands, keep, lambda: tick(hands.slots), say)],
            failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    except Exception as error:
        if raised:
            raise raised[0] from None
        if rounds.error is not None:
            raise rounds.error from None
        raise EngineError(f"Ray went away: {' '.join(str(error).split())}") from error
