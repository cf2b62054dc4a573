from .knowing import Known, known_with

__all__ = ["Known", "known_with"]
