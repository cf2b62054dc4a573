"""The problems that ship. Nobody imports from here: `trainable.problems.registry` names them."""
