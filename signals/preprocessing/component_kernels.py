"""Compiled principal components: the same bits for any number of threads, unlike a threaded LAPACK."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_SUMS = {"reassoc", "contract", "nsz"}
_SWEEPS = 60
_SMALL = 1e-30
"""Off-diagonal squares below this times all squares are rounding."""


@njit(cache=True, fastmath=_SUMS)
def products_of(block):  # type: ignore[no-untyped-def]
    """Sums of products of each two rows of ``block`` (F, n), which has no NaN; (F, F), symmetric."""
    factors = block.shape[0]
    products = np.empty((factors, factors))
    for f in range(factors):
        one = block[f]
        for g in range(f + 1):
            other = block[g]
            s = 0.0
            for j in range(len(one)):
                s += one[j] * other[j]
            products[f, g] = s
            products[g, f] = s
    return products


@njit(cache=True)
def eigen(matrix):  # type: ignore[no-untyped-def]
    """Eigenvalues (F,) and eigenvectors in rows (F, F) of a symmetric matrix, by Jacobi rotations; overwrites it."""
    n = len(matrix)
    vectors = np.eye(n)
    for _ in range(_SWEEPS):
        whole, beside = 0.0, 0.0
        for p in range(n):
            for q in range(n):
                square = matrix[p, q] * matrix[p, q]
                whole += square
                beside += square if p != q else 0.0
        if beside <= _SMALL * whole:
            break
        for p in range(n - 1):
            for q in range(p + 1, n):
                if matrix[p, q] != 0.0:
                    _rotate(matrix, vectors, p, q)
    return np.diag(matrix).copy(), vectors


@njit(cache=True)
def _rotate(matrix, vectors, p, q):  # type: ignore[no-untyped-def]
    """One rotation, which makes element (p, q) zero."""
    theta = 0.5 * (matrix[q, q] - matrix[p, p]) / matrix[p, q]
    t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
    t = -t if theta < 0.0 else t
    c = 1.0 / math.sqrt(t * t + 1.0)
    s = t * c
    one, other = matrix[p], matrix[q]
    for k in range(len(one)):
        x, y = one[k], other[k]
        one[k], other[k] = c * x - s * y, s * x + c * y
    for k in range(len(one)):
        x, y = matrix[k, p], matrix[k, q]
        matrix[k, p], matrix[k, q] = c * x - s * y, s * x + c * y
    matrix[p, q] = 0.0
    matrix[q, p] = 0.0
    one, other = vectors[p], vectors[q]
    for k in range(len(one)):
        x, y = one[k], other[k]
        one[k], other[k] = c * x - s * y, s * x + c * y


@njit(cache=True, fastmath=_SUMS)
def project(block, loadings, out):  # type: ignore[no-untyped-def]
    """``loadings`` (K, F) times ``block`` (F, n), NaN where a factor is NaN; each stock's sum in one order."""
    for k in range(out.shape[0]):
        line = out[k]
        line[:] = 0.0
        for f in range(block.shape[0]):
            weight, row = loadings[k, f], block[f]
            for j in range(len(row)):
                line[j] += weight * row[j]
