"""Makes test/evaluation-fixture.json: what NumPy and scikit-learn say of made-up features and logits.

With numpy and scikit-learn installed (made with numpy 2.4.6 and scikit-learn 1.9.1):

    python test/evaluation-fixture.py > test/evaluation-fixture.json
"""

import json

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

CLASSES, WIDTH, TRAIN, TEST = 10, 6, 230, 70
K, TEMPERATURE, L2, BINS = 20, 0.07, 1e-4, 15

random = np.random.default_rng(1)
# Classes overlap, features have means of their own, as after a ReLU, and one never varies.
centres = random.normal(size=(CLASSES, WIDTH))


def features(labels: np.ndarray) -> np.ndarray:
    x = np.maximum(0, centres[labels] + 0.8 * random.normal(size=(len(labels), WIDTH)) + 1)
    x[:, 4] *= 3
    x[:, 5] = 0.25
    return x.astype(np.float32).round(4)


train_labels = np.arange(TRAIN) % CLASSES
test_labels = np.arange(TEST) % CLASSES
train, test = features(train_labels), features(test_labels)
logits = random.normal(size=(TEST, CLASSES)).astype(np.float32).round(3)
logits[np.arange(TEST), test_labels] += 1.5
# No image is taken for class 7.
logits[:, 7] = -9

exponentials = np.exp(logits.astype(np.float64))
probabilities = exponentials / exponentials.sum(1, keepdims=True)
predicted = logits.argmax(1)
precision, recall, _, _ = precision_recall_fscore_support(
    test_labels, predicted, labels=range(CLASSES), zero_division=np.nan
)
confidence = probabilities.max(1)
right = predicted == test_labels
bins = np.clip(np.digitize(confidence, np.linspace(0, 1, BINS + 1), right=True) - 1, 0, BINS - 1)
ece = sum(
    (bins == b).mean() * abs(right[bins == b].mean() - confidence[bins == b].mean())
    for b in range(BINS)
    if (bins == b).any()
)


def neighbours(weights: object) -> KNeighborsClassifier:
    return KNeighborsClassifier(K, weights=weights, metric="cosine", algorithm="brute").fit(
        train.astype(np.float64), train_labels
    )


plain = neighbours("uniform")
weighted = neighbours(lambda distances: np.exp((1 - distances) / TEMPERATURE))

scaler = StandardScaler().fit(train.astype(np.float64))
scale = np.where(scaler.var_ > 1e-9, 1 / np.sqrt(np.maximum(scaler.var_, 1e-30)), 0)
standardised = (train - scaler.mean_) * scale
probe = LogisticRegression(C=1 / (L2 * TRAIN), tol=1e-10, max_iter=100_000).fit(standardised, train_labels)
likelihood = log_loss(train_labels, probe.predict_proba(standardised))
test_probabilities = probe.predict_proba((test - scaler.mean_) * scale)

unit = (test / np.linalg.norm(test, axis=1, keepdims=True)).astype(np.float64)
squares = ((unit[:, None] - unit[None]) ** 2).sum(2)
above = np.triu(np.ones((TEST, TEST), bool), 1)
same = test_labels[:, None] == test_labels[None]
pca = PCA(2, svd_solver="full").fit(unit)


def listed(array: np.ndarray) -> list:
    return [None if value != value else float(value) for value in np.ravel(array)]


print(
    json.dumps(
        {
            "classes": CLASSES,
            "width": WIDTH,
            "train": {"features": listed(train.astype(np.float64).round(4)), "labels": train_labels.tolist()},
            "test": {
                "features": listed(test.astype(np.float64).round(4)),
                "labels": test_labels.tolist(),
                "logits": listed(logits.astype(np.float64).round(3)),
            },
            "classifier": {
                "accuracy": float(right.mean()),
                "loss": float(log_loss(test_labels, probabilities, labels=range(CLASSES))),
                "confusion": confusion_matrix(test_labels, predicted, labels=range(CLASSES)).tolist(),
                "recall": listed(recall),
                "precision": listed(precision),
                "ece": float(ece),
                "binCounts": np.bincount(bins, minlength=BINS).tolist(),
            },
            "knn": {
                "k": K,
                "temperature": TEMPERATURE,
                "images": plain.kneighbors(test.astype(np.float64))[1].tolist(),
                "plain": plain.predict(test.astype(np.float64)).tolist(),
                "weighted": weighted.predict(test.astype(np.float64)).tolist(),
            },
            "probe": {
                "l2": L2,
                "mean": listed(scaler.mean_),
                "scale": listed(scale),
                "objective": float(likelihood + L2 / 2 * (probe.coef_**2).sum()),
                "weights": listed(probe.coef_.T),
                "accuracy": float((test_probabilities.argmax(1) == test_labels).mean()),
                "loss": float(log_loss(test_labels, test_probabilities, labels=range(CLASSES))),
            },
            "space": {
                "alignment": float(squares[above & same].mean()),
                "uniformity": float(np.log(np.exp(-2 * squares[above]).mean())),
                "explained": listed(pca.explained_variance_ratio_),
                "points": listed(pca.transform(unit)),
            },
        }
    )
)
