"""From a search to a learning rate, a table and a picture's data: the Python interface."""

import shoal

if __name__ == "__main__":
    result = shoal.run(
        "cubic-sine", space={"lr": "1e-8:1e-4:log"}, trials=128, seed=0, out="runs/example"
    )

    print("best learning rate:", result.best["lr"])

    # One row per trial; the share that diverged, by decade of the learning rate.
    decade = result.trials["lr"].apply(lambda lr: f"{lr:.0e}"[-3:])
    print(result.trials["state"].eq("diverged").groupby(decade).mean())

    # One row per trial and reported step: the best trial's curve.
    curve = result.curves[result.curves["trial"] == result.best["trial"]]
    print(curve.set_index("step")["loss"].tail(3))

    # The same trials as an Optuna study, for its plots and importances.
    print(len(result.study().trials), "trials in the study")
