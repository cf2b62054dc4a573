"""Private interfaces of Ray: each that is used exists in the version that is installed."""

from __future__ import annotations

from shoal.search.engines.ray_tune import private


def test_what_is_used_exists() -> None:
    """And a handler and a name that were replaced are as before afterwards."""
    import ray
    from ray._private import utils
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put

    before = utils.set_sigterm_handler, utils.get_entrypoint_name
    with private.connecting(lambda handler: None, "shoal"):
        assert utils.get_entrypoint_name() == "shoal"
    assert (utils.set_sigterm_handler, utils.get_entrypoint_name) == before
    private.read_environment()
    assert callable(GcsClient)
    assert callable(_internal_kv_exists)
    assert callable(_internal_kv_put)
    assert ray.__version__.startswith("2.")
