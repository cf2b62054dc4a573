"""What runs on a device: problems, optimizers and the loop that fits. Needs torch alone."""

if __name__ != "shoal.trainable":  # a checkout has the folder of this name at its top
    raise ImportError("this folder is a part of shoal: import shoal.trainable")
