"""Private interfaces of Ray: each that is used exists in the version that is installed."""

from __future__ import annotations

import os

import pytest

from shoal.search.engines.ray_tune import private


@pytest.mark.usefixtures("no_ray")
def test_what_is_used_exists() -> None:
    """And a handler and a name that were replaced are as before afterwards."""
    import ray
    from ray._private import node, parameter, services, utils
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.air._internal import usage
    from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put
    from ray.tune import registry
    from ray.tune.experiment import Trial

    def replaced() -> list[object]:
        return [parameter.RayParams, services.start_api_server, services.ConsolePopen]

    assert private.started() == {}
    before = utils.set_sigterm_handler, utils.get_entrypoint_name
    with private.connecting(lambda handler: None, "shoal"):
        assert utils.get_entrypoint_name() == "shoal"
    assert (utils.set_sigterm_handler, utils.get_entrypoint_name) == before
    counted, helpers = usage.tag_callbacks, replaced()
    with private.uncounted(), private.for_a_search():
        assert usage.tag_callbacks([1]) is False
        assert (parameter.RayParams().no_monitor, parameter.RayParams().include_log_monitor) == (
            True,
            False,
        )
        assert node.ray._private.services.start_api_server(True, port=1) == ("", None)
        child = services.ConsolePopen(["sleep", "0"])
        assert os.getpgid(child.pid) == child.pid
        child.wait()
    assert usage.tag_callbacks is counted
    assert replaced() == helpers
    plain = Trial.set_ray_actor
    with private.asking_less():
        assert registry._global_registry.contains("there is", "none") is False
        with pytest.raises(KeyError, match="there is"):  # no Ray is connected
            registry._global_registry.get("there is", "none")
        assert Trial.set_ray_actor is not plain
    assert Trial.set_ray_actor is plain
    assert not {"get", "contains"} & registry._global_registry.__dict__.keys()
    private.read_environment()
    assert callable(GcsClient)
    assert callable(_internal_kv_exists)
    assert callable(_internal_kv_put)
    assert ray.__version__.startswith("2.")
