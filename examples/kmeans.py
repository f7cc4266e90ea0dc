"""Find the clusters of handwritten digits, with several threads that share the sums.

k-means (Lloyd, 1982) repeats two steps: each image goes to the centre that is nearest, and each
centre becomes the mean of its images.  Here each thread takes a part of the 1797 images of
scikit-learn's digits, and adds its images to two arrays that all threads share: for each centre the
sum of its images, and how many they are.  The two must change together, so they are taken together:

    with la.acquire(write=(sums, counts)) as (s, c):
        s += sums_of_part
        c += counts_of_part

The pixels are small integers, whose sums are exact in any order: so the clusters have to be those
that one thread finds, to the last bit.

    python kmeans.py
    python kmeans.py --threads 8 --clusters 20

It needs scikit-learn (pip install scikit-learn).  The exit code is 1 if the threads find other
clusters than one thread.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lockedarray as la

ROUNDS = 100  # at most; it ends when no centre moves any more


def nearest(images, centres):
    """Return the number of the nearest centre of each image."""
    return ((images[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)


def sums_by_cluster(images, numbers, clusters):
    """Return the sum of the images of each cluster, and how many they are."""
    sums = np.zeros((clusters, images.shape[1]))
    np.add.at(sums, numbers, images)
    return sums, np.bincount(numbers, minlength=clusters)


def moved(centres, sums, counts):
    """Return the means; a centre without an image stays."""
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)


def by_one_thread(images, centres):
    """Return the centres, and how many rounds it took."""
    rounds = 0
    while rounds < ROUNDS:
        rounds += 1
        numbers = nearest(images, centres)
        last, centres = centres, moved(centres, *sums_by_cluster(images, numbers, len(centres)))
        if np.array_equal(last, centres):
            break
    return centres, rounds


def by_threads(images, start, threads):
    """Return the same, by `threads` threads that add to shared arrays."""
    centres = la.LockedArray(start)
    sums, counts = la.zeros(start.shape), la.zeros(len(start), dtype=np.intp)

    def add(part):
        own = sums_by_cluster(part, nearest(part, centres.snapshot()), len(start))
        with la.acquire(write=(sums, counts)) as (s, c):
            s += own[0]
            c += own[1]

    with ThreadPoolExecutor(threads) as pool:
        rounds = 0
        while rounds < ROUNDS:
            rounds += 1
            list(pool.map(add, np.array_split(images, 4 * threads)))
            with la.acquire(write=(centres, sums, counts)) as (m, s, c):
                last = m.copy()
                m[...] = moved(m, s, c)
                s[...] = c[...] = 0
                if np.array_equal(last, m):
                    break
    return centres.snapshot(), rounds


def timed(title, find, *arguments):
    """Find the centres, and print how long it took."""
    begin = time.perf_counter()
    centres, rounds = find(*arguments)
    print(f"{title}: {rounds} rounds, {time.perf_counter() - begin:.2f} s")
    return centres, rounds


def main():
    """Find the clusters by one thread and by several, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=4, help="default: 4")
    parser.add_argument("--clusters", type=int, default=10, help="default: 10")
    chosen = parser.parse_args()
    if chosen.threads < 1 or chosen.clusters < 1:
        parser.error("--threads and --clusters must be 1 or more")
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        print("the digits come with scikit-learn, which is not installed: pip install scikit-learn")
        return 2

    digits = load_digits()
    images = digits.data
    chosen.clusters = min(chosen.clusters, len(images))
    start = images[np.random.default_rng(1).permutation(len(images))[: chosen.clusters]]
    right, rounds = timed("1 thread", by_one_thread, images, start)
    title = f"{chosen.threads} threads on shared arrays"
    found, rounds_of_threads = timed(title, by_threads, images, start, chosen.threads)
    clusters = nearest(images, found)
    of_one_digit = sum(
        np.bincount(digits.target[clusters == number]).max(initial=0)
        for number in range(len(found))
    )
    same = rounds == rounds_of_threads and np.array_equal(found, right)
    print(f"images in a cluster of their own digit: {of_one_digit / len(images):.1%}")
    print("the clusters are " + ("the same" if same else "NOT THE SAME"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
