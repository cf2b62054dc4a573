"""A forest of scikit-learn, grown ten trees at a time: shoal run examples/forest.py:train."""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def train(max_features=0.3, min_samples_leaf=1, *, seed=0):
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(images, labels, random_state=0)
    forest = RandomForestClassifier(
        max_features=max_features,
        min_samples_leaf=min_samples_leaf,
        random_state=seed,
        warm_start=True,
        n_jobs=1,
    )
    for trees in (10, 20, 30):
        forest.set_params(n_estimators=trees).fit(x, y)
        yield {"step": trees, "accuracy": forest.score(x_test, y_test)}


train.space = {"max_features": "0.05:1", "min_samples_leaf": "1:20:int:log"}
train.objective = "accuracy:max"
