"""A network of TensorFlow's Keras, an epoch at a time: shoal run examples/digits_keras.py:train."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow tells of the processor else

import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def train(lr, width=32, dropout=0.2, *, seed=0):
    tf.keras.backend.clear_session()  # what the trial before has left in this process
    tf.keras.utils.set_random_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(images / 16, labels, random_state=0)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((64,)),
            tf.keras.layers.Dense(width, activation="relu"),
            tf.keras.layers.Dropout(dropout),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = tf.keras.optimizers.Adam(lr)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(3):
        model.fit(x, y, batch_size=64, verbose=0)
        loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
        yield {"loss": loss, "accuracy": accuracy}


train.space = {"lr": "1e-4:1e-1:log", "width": [16, 32, 64], "dropout": "0:0.5"}
train.objective = "accuracy:max"
