"""Problems of handwritten digits. Nobody imports from here: `trainable.problems.registry` names
them."""
